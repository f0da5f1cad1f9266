"""Simulated annotation, paired comparison and its report."""

from skal_deep.evaluation._active_testing import active_testing
from skal_deep.evaluation._comparison import compare_strategies
from skal_deep.evaluation._conformance import ConformanceReport, check_query_strategy
from skal_deep.evaluation._plots import plot_curves, plot_differences
from skal_deep.evaluation._posterior_check import PosteriorReport, check_posterior
from skal_deep.evaluation._result import BASELINE, Comparison
from skal_deep.evaluation._risk import (
    RiskEstimate,
    draw_probabilities,
    lure_weights,
    pure_weights,
    unbiased_risk,
)
from skal_deep.evaluation._simulation import SimulatedActiveLearner
from skal_deep.evaluation._statistics import (
    PairedDifference,
    area_under_curve,
    paired_difference,
    penalty_matrix,
)
from skal_deep.evaluation._table import Table

__all__ = [
    "BASELINE",
    "Comparison",
    "ConformanceReport",
    "PairedDifference",
    "RiskEstimate",
    "PosteriorReport",
    "SimulatedActiveLearner",
    "Table",
    "active_testing",
    "area_under_curve",
    "check_posterior",
    "check_query_strategy",
    "compare_strategies",
    "draw_probabilities",
    "lure_weights",
    "paired_difference",
    "penalty_matrix",
    "plot_curves",
    "plot_differences",
    "pure_weights",
    "unbiased_risk",
]
