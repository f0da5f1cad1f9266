"""The command line."""

from skal_deep.cli._arguments import known_strategies, metrics, strategies
from skal_deep.cli._job import estimator
from skal_deep.cli._main import main
from skal_deep.cli._parser import build_parser

__all__ = [
    "build_parser",
    "estimator",
    "known_strategies",
    "main",
    "metrics",
    "strategies",
]
