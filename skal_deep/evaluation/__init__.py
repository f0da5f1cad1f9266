"""Simulated annotation, paired comparison and its report."""

from skal_deep.evaluation._comparison import compare_strategies
from skal_deep.evaluation._conformance import ConformanceReport, check_query_strategy
from skal_deep.evaluation._labeled_scorer import make_labeled_scorer
from skal_deep.evaluation._plots import plot_curves, plot_differences
from skal_deep.evaluation._replay import replay
from skal_deep.evaluation._result import BASELINE, Comparison
from skal_deep.evaluation._saturation import unsaturated
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
    "SimulatedActiveLearner",
    "Table",
    "area_under_curve",
    "check_query_strategy",
    "compare_strategies",
    "make_labeled_scorer",
    "paired_difference",
    "penalty_matrix",
    "plot_curves",
    "plot_differences",
    "replay",
    "unsaturated",
]
