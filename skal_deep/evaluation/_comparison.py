"""Paired comparison of strategies."""

from collections.abc import Mapping, Sequence
from typing import Any

import joblib
from skactiveml.pool import RandomSampling
from tqdm import tqdm

from skal_deep.classifier import as_seed
from skal_deep.evaluation._jobs import check_paired, run_job
from skal_deep.evaluation._result import BASELINE, Comparison
from skal_deep.evaluation._scoring import named_scorers
from skal_deep.evaluation._simulation import SimulatedActiveLearner


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
    if n_repeats < 1:
        raise ValueError(f"n_repeats must be at least 1, not {n_repeats}.")
    if X_test is None and test_size is None:
        raise ValueError("Nothing to score on: give X_test and y_test, or a test_size.")
    named, metrics = _named(strategies), tuple(named_scorers(scoring))
    seed = as_seed(random_state)
    learner = SimulatedActiveLearner(
        estimator,
        n_initial=n_initial,
        batch_size=batch_size,
        n_cycles=n_cycles,
        initial=initial,
        retrain=retrain,
        scoring=scoring,
        test_size=test_size,
        missing_label=missing_label,
    )
    data = (X, y, X_test, y_test)
    jobs = [
        joblib.delayed(run_job)(learner, name, strategy, repeat, seed, data)
        for repeat in range(n_repeats)
        for name, strategy in named.items()
    ]
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    outcomes = list(
        tqdm(parallel(jobs), total=len(jobs), desc="compare", disable=not progress)
    )
    order = list(named)
    outcomes.sort(key=lambda outcome: (outcome.repeat, order.index(outcome.strategy)))
    check_paired(outcomes)
    settings = {
        "estimator": repr(estimator),
        "test_is_given": X_test is not None,
        "strategies": {name: repr(strategy) for name, strategy in named.items()},
        "n_rows": len(y),
        "n_repeats": n_repeats,
        "n_initial": n_initial,
        "batch_size": batch_size,
        "n_cycles": n_cycles,
        "initial": initial,
        "retrain": retrain,
        "scoring": metrics,
        "test_size": test_size if X_test is None else len(y_test),
        "random_state": seed,
    }
    rows = [row for outcome in outcomes for row in outcome.rows]
    return Comparison(rows, metrics, settings)


def _named(strategies: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Return strategies by name, random sampling first."""
    if not isinstance(strategies, Mapping):
        names = [
            BASELINE if _is_random(strategy) else type(strategy).__name__
            for strategy in strategies
        ]
        if len(set(names)) < len(names):
            raise ValueError(
                "Strategies of the same class need names: pass a dict {name: strategy}."
            )
        strategies = dict(zip(names, strategies, strict=True))
    if not _is_random(strategies.get(BASELINE)):
        raise ValueError(
            f"The name {BASELINE!r} is for random sampling, with which all are "
            f"compared; give {strategies[BASELINE]!r} another name."
        )
    named = {BASELINE: RandomSampling()} | dict(strategies)
    return {n: RandomSampling() if s is None else s for n, s in named.items()}


def _is_random(strategy: Any) -> bool:
    return strategy is None or isinstance(strategy, RandomSampling)
