"""Simulated annotation, paired comparison and its report."""

from skal_deep.evaluation._across import AcrossDataSets
from skal_deep.evaluation._active_testing import active_testing
from skal_deep.evaluation._answer import Answer
from skal_deep.evaluation._classifier_conformance import check_classifier
from skal_deep.evaluation._colours import strategy_styles
from skal_deep.evaluation._comparison import compare_strategies
from skal_deep.evaluation._conformance import ConformanceReport, check_query_strategy
from skal_deep.evaluation._does_al_help import does_al_help
from skal_deep.evaluation._friedman import Ranking, friedman
from skal_deep.evaluation._holm import holm
from skal_deep.evaluation._labeled_scorer import make_labeled_scorer
from skal_deep.evaluation._paired import (
    PairedDifference,
    effect_size,
    paired_difference,
    split_overlap,
)
from skal_deep.evaluation._penalty import penalty_matrix
from skal_deep.evaluation._plot_costs import plot_savings, plot_seconds
from skal_deep.evaluation._plot_picks import plot_classes, plot_gallery, plot_map
from skal_deep.evaluation._plot_projection import plot_projection
from skal_deep.evaluation._plot_ranks import plot_ranks
from skal_deep.evaluation._plots import plot_curves, plot_differences
from skal_deep.evaluation._posterior_check import PosteriorReport, check_posterior
from skal_deep.evaluation._power import detectable_effect, paired_power, repeats_needed
from skal_deep.evaluation._projection import Projection
from skal_deep.evaluation._replay import replay
from skal_deep.evaluation._result import BASELINE, Comparison
from skal_deep.evaluation._risk import (
    RiskEstimate,
    draw_floors,
    draw_probabilities,
    lure_weights,
    pure_weights,
    unbiased_risk,
)
from skal_deep.evaluation._saturation import unsaturated
from skal_deep.evaluation._savings import LabelsNeeded, labels_needed, labels_to_reach
from skal_deep.evaluation._sign_flip import sign_flip_test
from skal_deep.evaluation._signed_rank import Posterior, signed_rank
from skal_deep.evaluation._simulation import SimulatedActiveLearner
from skal_deep.evaluation._statistics import area_under_curve
from skal_deep.evaluation._stopping import Signal, StoppingAdvice, stopping_advice
from skal_deep.evaluation._table import Table
from skal_deep.evaluation._tuning import Tuning
from skal_deep.evaluation._verdict import Verdict, verdicts

__all__ = [
    "AcrossDataSets",
    "Answer",
    "BASELINE",
    "Comparison",
    "ConformanceReport",
    "LabelsNeeded",
    "PairedDifference",
    "Posterior",
    "PosteriorReport",
    "Projection",
    "Ranking",
    "RiskEstimate",
    "Signal",
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
    "compare_strategies",
    "detectable_effect",
    "does_al_help",
    "draw_floors",
    "draw_probabilities",
    "effect_size",
    "friedman",
    "holm",
    "labels_needed",
    "labels_to_reach",
    "lure_weights",
    "make_labeled_scorer",
    "paired_difference",
    "paired_power",
    "penalty_matrix",
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
    "sign_flip_test",
    "signed_rank",
    "split_overlap",
    "stopping_advice",
    "strategy_styles",
    "unbiased_risk",
    "unsaturated",
    "verdicts",
]
