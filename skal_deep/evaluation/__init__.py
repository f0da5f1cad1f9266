"""Simulated annotation, paired comparison and its report."""

from skal_deep.evaluation._labeled_scorer import make_labeled_scorer
from skal_deep.evaluation.advice._answer import Answer
from skal_deep.evaluation.advice._does_al_help import does_al_help
from skal_deep.evaluation.advice._reasons import Reason
from skal_deep.evaluation.advice._stopping import (
    Signal,
    StoppingAdvice,
    stopping_advice,
)
from skal_deep.evaluation.advice._tuning import Tuning
from skal_deep.evaluation.comparison._across import AcrossDataSets, cut_saturated
from skal_deep.evaluation.comparison._compare import compare_strategies
from skal_deep.evaluation.comparison._replay import replay
from skal_deep.evaluation.comparison._result import BASELINE, Comparison
from skal_deep.evaluation.control._arm_verdict import ArmVerdict
from skal_deep.evaluation.control._ask import Ask
from skal_deep.evaluation.control._control_arm import ControlArm
from skal_deep.evaluation.control._current_error import current_error
from skal_deep.evaluation.control._evidence import log_e_value, share_interval
from skal_deep.evaluation.planning._bank import Bank
from skal_deep.evaluation.planning._label_plan import LabelPlan
from skal_deep.evaluation.planning._plan import plan_labels
from skal_deep.evaluation.planning._projection import Projection
from skal_deep.evaluation.report._colours import strategy_styles
from skal_deep.evaluation.report._plot_picks import plot_classes, plot_gallery, plot_map
from skal_deep.evaluation.report._plot_ranks import plot_ranks
from skal_deep.evaluation.report._plots import (
    plot_curves,
    plot_differences,
    plot_projection,
    plot_savings,
    plot_seconds,
)
from skal_deep.evaluation.report._table import Table
from skal_deep.evaluation.risk._active_testing import active_testing
from skal_deep.evaluation.risk._risk import RiskEstimate, unbiased_risk
from skal_deep.evaluation.risk._weights import (
    draw_floors,
    draw_probabilities,
    lure_weights,
    pure_weights,
)
from skal_deep.evaluation.simulation._learner import SimulatedActiveLearner
from skal_deep.evaluation.statistics._curves import area_under_curve
from skal_deep.evaluation.statistics._paired import (
    PairedDifference,
    effect_size,
    paired_difference,
    penalty_matrix,
    split_overlap,
)
from skal_deep.evaluation.statistics._power import (
    detectable_effect,
    paired_power,
    repeats_needed,
)
from skal_deep.evaluation.statistics._savings import (
    LabelsNeeded,
    labels_needed,
    labels_to_reach,
)
from skal_deep.evaluation.statistics._search_gap import SearchGap
from skal_deep.evaluation.statistics._tests import (
    Ranking,
    SignedRankPosterior,
    friedman,
    holm,
    sign_flip_test,
    signed_rank,
)
from skal_deep.evaluation.statistics._verdict import Verdict, verdicts
from skal_deep.testing._classifier_conformance import check_classifier
from skal_deep.testing._conformance import ConformanceReport, check_query_strategy
from skal_deep.testing._posterior_check import PosteriorReport, check_posterior
from skal_deep.testing._regressor_conformance import check_regressor

__all__ = [
    "AcrossDataSets",
    "Answer",
    "ArmVerdict",
    "Ask",
    "BASELINE",
    "Bank",
    "Comparison",
    "ControlArm",
    "ConformanceReport",
    "LabelPlan",
    "LabelsNeeded",
    "PairedDifference",
    "PosteriorReport",
    "Projection",
    "Ranking",
    "Reason",
    "RiskEstimate",
    "Signal",
    "SignedRankPosterior",
    "SearchGap",
    "SimulatedActiveLearner",
    "StoppingAdvice",
    "Table",
    "Tuning",
    "Verdict",
    "active_testing",
    "area_under_curve",
    "check_classifier",
    "check_posterior",
    "check_query_strategy",
    "check_regressor",
    "compare_strategies",
    "current_error",
    "cut_saturated",
    "detectable_effect",
    "does_al_help",
    "draw_floors",
    "draw_probabilities",
    "effect_size",
    "friedman",
    "holm",
    "labels_needed",
    "labels_to_reach",
    "log_e_value",
    "lure_weights",
    "make_labeled_scorer",
    "paired_difference",
    "paired_power",
    "penalty_matrix",
    "plan_labels",
    "plot_classes",
    "plot_curves",
    "plot_differences",
    "plot_gallery",
    "plot_map",
    "plot_projection",
    "plot_ranks",
    "plot_savings",
    "plot_seconds",
    "pure_weights",
    "repeats_needed",
    "replay",
    "share_interval",
    "sign_flip_test",
    "signed_rank",
    "split_overlap",
    "stopping_advice",
    "strategy_styles",
    "unbiased_risk",
    "verdicts",
]
