"""Stored selections, scored anew."""

from pathlib import Path
from typing import Any

import joblib

from skal_deep.evaluation.comparison._failures import report_failures
from skal_deep.evaluation.comparison._jobs import collect_outcomes, play_jobs, run_job
from skal_deep.evaluation.comparison._request import settings_of
from skal_deep.evaluation.comparison._result import Comparison
from skal_deep.evaluation.comparison._run_directory import RunDirectory
from skal_deep.evaluation.simulation._learner import SimulatedActiveLearner
from skal_deep.evaluation.simulation._rules import RULES, settled
from skal_deep.evaluation.simulation._search import FOUND
from skal_deep.evaluation.simulation._start import GivenData
from skal_deep.identity._values import fingerprint

# What a replay is told, or finds in the rounds; all other rules are those of the run.
_OWN = {"scoring", "retrain", "n_cycles"}


def replay(
    run_dir: str | Path,
    X: Any,
    y: Any,
    *,
    estimator: Any,
    scoring: Any = None,
    retrain: str = "scratch",
    X_test: Any = None,
    y_test: Any = None,
    cost: Any = None,
    n_jobs: int | None = None,
    progress: bool = True,
) -> Comparison:
    """Score the selections of a run with another metric or another classifier.

    Nothing is queried: in each round a classifier is fitted to the labels that were
    bought up to then, with the seeds of the run. With the classifier of the run this
    gives further metrics; with another one it shows whether labels chosen for one
    model serve the next, which they often do not [1]_.

    Use it to ask a finished run a new question without playing it again.

    Parameters
    ----------
    run_dir : str or Path
        Where :func:`compare_strategies` kept a run.
    X : array-like of shape (n_samples, ...)
        Inputs, in the order of the run. They may be other views of the same rows, such
        as embeddings.
    y : array-like of shape (n_samples,)
        The true labels, as in the run.
    estimator : object
        The classifier, see :class:`SimulatedActiveLearner`.
    scoring : str, callable, list or dict of these, default=None
        Metrics, as in scikit-learn; the first is compared. ``None`` is "accuracy", or
        the error of a regressor with its sign turned.
    retrain : {"scratch", "warm", "shrink_perturb"}, default="scratch"
        What each fit starts from, see :class:`SimulatedActiveLearner`.
    X_test : array-like of shape (n_test_samples, ...), default=None
        Inputs to score on; ``None`` are the rows that the run had set aside.
    y_test : array-like of shape (n_test_samples,), default=None
        Their labels.
    cost : array-like of shape (n_samples,), default=None
        What each label costs.
    n_jobs : int, default=None
        Number of jobs at a time, as in joblib.
    progress : bool, default=True
        Whether to show a progress bar.

    Returns
    -------
    Comparison
        Curves, table, figure and report; there is no time of queries.

    See Also
    --------
    compare_strategies : Plays a run and keeps it in ``run_dir``.
    Comparison.by : The same comparison by a metric that was recorded.

    References
    ----------
    .. [1] D. Lowell, Z. Lipton, B. Wallace. Practical Obstacles to Deploying Active
       Learning. EMNLP, 2019.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skal_deep.evaluation import compare_strategies, replay
    >>> X, y = load_iris(return_X_y=True)
    >>> tree, options = DecisionTreeClassifier(), {"n_repeats": 2, "n_cycles": 1}
    >>> with TemporaryDirectory() as run:
    ...     _ = compare_strategies(
    ...         [None], GaussianNB(), X, y, run_dir=run, progress=False, **options
    ...     )
    ...     again = replay(run, X, y, estimator=tree, progress=False)
    >>> again.curve("random").shape
    (2, 2)
    """
    run = RunDirectory(Path(run_dir).resolve())
    configuration = run.configuration()
    if configuration is None or not run.jobs():
        raise ValueError(f"There is no run in {run_dir}.")
    if fingerprint(y) != configuration["y"]:
        raise ValueError(
            f"y is not that of the run in {run_dir}, whose selections are rows of it: "
            f"{configuration['y']} in the run, {fingerprint(y)} now."
        )
    if X_test is None and configuration["X_test"] is not None:
        raise ValueError("The run was scored on test data: give X_test and y_test.")
    picked = {
        job: [row["indices"] for row in run.rows(*job)] for job in sorted(run.jobs())
    }
    run.check(picked, len(y) * configuration["n_copies"], {})
    lengths = sorted({len(picks) for picks in picked.values()})
    if len(lengths) > 1:
        raise ValueError(
            f"The run in {run_dir} is not finished, its jobs have played {lengths} "
            "rounds. Call compare_strategies again."
        )
    learner = SimulatedActiveLearner(
        estimator,
        scoring=scoring,
        retrain=retrain,
        n_cycles=lengths[0] - 1,
        **{name: configuration[name] for name in RULES if name not in _OWN},
    )
    learner = settled(learner, y)
    size = configuration.get("selection_size")
    seed, data = configuration["random_state"], GivenData(X, y, X_test, y_test, cost)
    outcomes = play_jobs(
        [
            joblib.delayed(run_job)(
                learner, name, None, repeat, seed, None, picks, size, **vars(data)
            )
            for (name, repeat), picks in picked.items()
        ],
        n_jobs,
        progress,
    )
    failures = report_failures(outcomes)
    names = list(dict.fromkeys(name for name, _ in picked if name != FOUND))
    found = [outcome for outcome in outcomes if outcome.strategy == FOUND]
    outcomes = [outcome for outcome in outcomes if outcome.strategy != FOUND]
    settings = {
        "replayed": str(run_dir),
        **settings_of(learner, data, len({repeat for _, repeat in picked})),
        "run": configuration,
        "failures": failures,
    }
    return collect_outcomes(outcomes, names, settings, found)
