"""Paired comparison of strategies."""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from skal_deep.classifier import as_seed, derived_seed
from skal_deep.evaluation._simulation import SimulatedActiveLearner
from skal_deep.evaluation._statistics import (
    PairedDifference,
    area_under_curve,
    paired_difference,
    penalty_matrix,
)
from skal_deep.evaluation._table import Table

BASELINE = "random"


@dataclass(frozen=True)
class Comparison:
    """What came out of a comparison of strategies.

    Attributes
    ----------
    curves : list of dict
        One row for each strategy, repeat and stage: what
        ``SimulatedActiveLearner.learning_curve_`` holds.
    metrics : tuple of str
        Names of the metrics; the first is the one that is compared.
    settings : dict
        How the comparison was made.
    """

    curves: list[dict[str, Any]]
    metrics: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def strategies(self) -> list[str]:
        """Names of the strategies, random sampling first."""
        names = list(dict.fromkeys(row["strategy"] for row in self.curves))
        return sorted(names, key=lambda name: name != BASELINE)

    def curve(self, strategy: str, column: str | None = None) -> NDArray[np.float64]:
        """Return a column of the curves of a strategy, of shape (n_repeats, n_stages).

        Parameters
        ----------
        strategy : str
            Name of the strategy.
        column : str, default=None
            A metric, "n_labels", "seconds_fit" or "seconds_query"; ``None`` is the
            first metric.
        """
        column = self.metrics[0] if column is None else column
        by_repeat: dict[int, list[float]] = {}
        for row in self.curves:
            if row["strategy"] == strategy:
                by_repeat.setdefault(row["repeat"], []).append(row[column])
        return np.array([by_repeat[repeat] for repeat in sorted(by_repeat)])

    def areas(self, strategy: str) -> NDArray[np.float64]:
        """Return the mean height of each repeat's curve, of shape (n_repeats,)."""
        return np.array(
            [
                area_under_curve(n_labels, scores)
                for n_labels, scores in zip(
                    self.curve(strategy, "n_labels"), self.curve(strategy), strict=True
                )
            ]
        )

    def difference(self, strategy: str) -> PairedDifference:
        """Return the paired difference in area to random sampling."""
        return paired_difference(self.areas(strategy), self.areas(BASELINE))

    def summary(self) -> Table:
        """Return a table with one row for each strategy.

        The area is the mean of the first metric over the labels spent. Its difference
        to random sampling is paired by repeat, with a 95 % interval of Student's t.
        Seconds are for all fits or queries of one repeat.
        """
        rows = []
        for name in self.strategies:
            difference = self.difference(name)
            interval = f"{difference.low:+.3f} ... {difference.high:+.3f}"
            is_random = name == BASELINE
            rows.append(
                {
                    "strategy": name,
                    f"final {self.metrics[0]}": f"{self.curve(name)[:, -1].mean():.3f}",
                    "area": f"{self.areas(name).mean():.3f}",
                    "to random": "" if is_random else f"{difference.mean:+.3f}",
                    "95 % interval": "" if is_random else interval,
                    "verdict": "baseline" if is_random else difference.wording,
                    "s query": f"{self._seconds(name, 'seconds_query'):.1f}",
                    "s fit": f"{self._seconds(name, 'seconds_fit'):.1f}",
                }
            )
        return Table(rows)

    def _seconds(self, strategy: str, column: str) -> float:
        return float(self.curve(strategy, column).sum(axis=1).mean())

    def penalty_matrix(self) -> NDArray[np.float64]:
        """Return how often the row's strategy significantly beats the column's.

        Strategies are in the order of ``strategies``; entries are shares of stages.
        """
        return penalty_matrix([self.curve(name) for name in self.strategies])

    def plot(self, ax=None, metric=None):
        """Draw the mean learning curves with their 95 % bands.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; ``None`` makes a figure.
        metric : str, default=None
            Which metric; ``None`` is the first.

        Returns
        -------
        ax : matplotlib.axes.Axes
            The axes.
        """
        from skal_deep.evaluation._plots import plot_curves

        return plot_curves(self, ax, metric)

    def to_csv(self, path) -> None:
        """Write the curves, one row for each strategy, repeat and stage.

        Parameters
        ----------
        path : str or Path
            Where to.
        """
        with Path(path).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.curves[0]))
            writer.writeheader()
            writer.writerows(self.curves)

    def to_json(self, path) -> None:
        """Write settings, curves and verdicts.

        Parameters
        ----------
        path : str or Path
            Where to.
        """
        verdicts = {
            name: {
                **vars(self.difference(name)),
                "verdict": self.difference(name).wording,
            }
            for name in self.strategies
            if name != BASELINE
        }
        content = {
            "settings": self.settings,
            "metrics": self.metrics,
            "area_difference_to_random": verdicts,
            "curves": self.curves,
        }
        Path(path).write_text(json.dumps(content, indent=1, default=str))

    def to_html(self, path) -> None:
        """Write a report: one page that needs no other file.

        Parameters
        ----------
        path : str or Path
            Where to.
        """
        from skal_deep.evaluation._report import html_report

        Path(path).write_text(html_report(self), encoding="utf-8")


def compare_strategies(
    strategies: Mapping[str, Any] | Sequence[Any],
    estimator: Any,
    X: Any,
    y: Any,
    *,
    X_test: Any = None,
    y_test: Any = None,
    n_repeats: int = 5,
    n_initial: int = 10,
    batch_size: int = 10,
    n_cycles: int = 10,
    initial: str = "stratified",
    retrain: str = "scratch",
    scoring: Any = "accuracy",
    test_size: float | int | None = 0.25,
    missing_label: Any = -1,
    n_jobs: int | None = None,
    progress: bool = True,
    random_state: Any = None,
) -> Comparison:
    """Compare strategies on starts that they share.

    In each repeat all strategies have the same split, the same first labels and the
    same initial weights, so that their differences are paired; random sampling is
    always among them. Each pair of strategy and repeat is a job of its own, which runs
    on one thread and gives the same result wherever it runs. Where is for joblib to
    say: see ``joblib.parallel_config``.

    Parameters
    ----------
    strategies : dict of str to QueryStrategy, or sequence of QueryStrategy
        What to compare. Strategies of a sequence go by the names of their classes.
        ``None`` is random sampling, which is added as "random".
    estimator : object
        The classifier, see :class:`SimulatedActiveLearner`.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,)
        What the annotator knows.
    X_test : array-like of shape (n_test_samples, ...), default=None
        Inputs to score on, instead of rows set aside from ``X`` in each repeat.
    y_test : array-like of shape (n_test_samples,), default=None
        Their labels.
    n_repeats : int, default=5
        Number of paired repeats. Five cannot show small differences: use more.
    n_initial, batch_size, n_cycles, initial, retrain, scoring, test_size, missing_label
        See :class:`SimulatedActiveLearner`.
    n_jobs : int, default=None
        Number of jobs at a time, as in joblib.
    progress : bool, default=True
        Whether to show a progress bar.
    random_state : int, RandomState or None, default=None
        Seed of all repeats.

    Returns
    -------
    comparison : Comparison
        Curves, table, figure and report.
    """
    named = _named(strategies)
    seed = as_seed(random_state)
    learner = SimulatedActiveLearner(
        estimator,
        n_initial=n_initial,
        batch_size=batch_size,
        n_cycles=n_cycles,
        initial=initial,
        retrain=retrain,
        scoring=scoring,
        test_size=test_size if X_test is None else None,
        missing_label=missing_label,
    )
    jobs = [
        joblib.delayed(_run)(
            learner, name, strategy, repeat, seed, X, y, X_test, y_test
        )
        for repeat in range(n_repeats)
        for name, strategy in named.items()
    ]
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    results = list(
        tqdm(parallel(jobs), total=len(jobs), desc="compare", disable=not progress)
    )
    results.sort(key=lambda result: (result.repeat, list(named).index(result.strategy)))
    _check_paired(results)
    settings = {
        "strategies": {name: str(strategy) for name, strategy in named.items()},
        "n_rows": len(y),
        "n_repeats": n_repeats,
        "random_state": seed,
        **{
            name: str(value) if name == "estimator" else value
            for name, value in learner.get_params(deep=False).items()
            if name not in ("query_strategy", "random_state", "score_by")
        },
    }
    metrics = tuple(results[0].metrics)
    return Comparison([row for r in results for row in r.rows], metrics, settings)


def _named(strategies: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Return strategies by name, random sampling first."""
    if not isinstance(strategies, Mapping):
        names = [type(strategy).__name__ for strategy in strategies]
        if len(set(names)) < len(names):
            raise ValueError(
                "Strategies of the same class need names: pass a dict {name: strategy}."
            )
        strategies = dict(zip(names, strategies, strict=True))
    return {BASELINE: None} | dict(strategies)


@dataclass(frozen=True)
class _Result:
    """What one job returns."""

    strategy: str
    repeat: int
    start: str
    metrics: list[str]
    rows: list[dict[str, Any]]


def _run(learner, name, strategy, repeat, seed, X, y, X_test, y_test) -> _Result:
    """Play one strategy through one repeat, on one thread."""
    n_threads = torch.get_num_threads()
    learner = clone(learner).set_params(
        query_strategy=strategy, random_state=derived_seed(seed, repeat)
    )
    try:
        torch.set_num_threads(1)
        with threadpool_limits(1):
            learner.fit(X, y, X_test, y_test)
    finally:
        torch.set_num_threads(n_threads)
    curve = learner.learning_curve_
    metrics = [name for name in curve if name[:8] not in ("n_labels", "seconds_")]
    rows = [
        {
            "strategy": name,
            "repeat": repeat,
            "stage": stage,
            **{column: values[stage].item() for column, values in curve.items()},
        }
        for stage in range(len(curve["n_labels"]))
    ]
    start = hashlib.sha256()
    for part in (learner.test_indices_, learner.query_indices_[0]):
        start.update(part.tobytes())
    start.update(repr([rows[0][metric] for metric in metrics]).encode())
    return _Result(name, repeat, start.hexdigest(), metrics, rows)


def _check_paired(results: list[_Result]) -> None:
    """Raise unless all strategies of a repeat started alike."""
    starts: dict[int, str] = {}
    for result in results:
        if starts.setdefault(result.repeat, result.start) != result.start:
            raise RuntimeError(
                f"{result.strategy} started repeat {result.repeat} differently from "
                "the others, so differences are not paired. Is the estimator "
                "reproducible, with a random_state that decides its fit?"
            )
