"""Paired comparison of strategies."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from skal_deep.classifier._base import as_seed
from skal_deep.classifier.door._inside import is_regressor
from skal_deep.evaluation._metrics import asks_for_recalls, named_scorers, with_recalls
from skal_deep.evaluation.comparison._begin import begin
from skal_deep.evaluation.comparison._estimator_text import format_estimator
from skal_deep.evaluation.comparison._failures import report_failures
from skal_deep.evaluation.comparison._jobs import (
    Outcome,
    check_paired,
    collect_outcomes,
    play_jobs,
    run_job,
    versions,
)
from skal_deep.evaluation.comparison._references import reference_jobs
from skal_deep.evaluation.comparison._request import (
    check_choice,
    named_references,
    named_strategies,
    repeat_numbers,
    settings_of,
)
from skal_deep.evaluation.comparison._result import BASELINE, Comparison
from skal_deep.evaluation.comparison._run_directory import RunDirectory
from skal_deep.evaluation.simulation._first_labels import first_labels
from skal_deep.evaluation.simulation._learner import SimulatedActiveLearner
from skal_deep.evaluation.simulation._rules import settled
from skal_deep.evaluation.simulation._search import FOUND, check_search, search_of
from skal_deep.evaluation.simulation._start import GivenData, known_rows
from skal_deep.rows._label_array import label_array


def compare_strategies(
    strategies: Mapping[str, Any] | Sequence[Any],
    estimator: Any,
    X: Any,
    y: Any,
    *,
    X_test: Any = None,
    y_test: Any = None,
    n_repeats: int | Iterable[int] = 5,
    n_initial: int = 10,
    batch_size: int = 10,
    n_cycles: int = 10,
    initial: str = "stratified",
    retrain: str = "scratch",
    scoring: Any = None,
    test_size: float | int | None = 0.25,
    label_noise: float = 0.0,
    n_copies: int = 1,
    copy_noise: float = 0.1,
    missing_label: Any = -1,
    cost: Any = None,
    budget: float | None = None,
    references: Mapping[str, Any] | None = None,
    search: bool | Mapping[str, Any] = False,
    run_dir: str | Path | None = None,
    same_code: bool = False,
    n_jobs: int | None = None,
    progress: bool = True,
    random_state: Any = None,
) -> Comparison:
    """Compare query strategies in paired simulations.

    In each repeat all strategies have the same split, the same first labels and the
    same initial weights. So their differences are paired. Random sampling is always
    among them. Each pair of strategy and repeat is one job, which runs on one thread
    and gives the same result wherever it runs. joblib decides where jobs run, see
    ``joblib.parallel_config``. Jobs in threads of one process take turns, because torch
    has one random generator in each process; use processes or a cluster for speed.

    Use it to find out which strategy serves your data and your model best.

    Parameters
    ----------
    strategies : dict of str to QueryStrategy, or sequence of QueryStrategy
        What to compare. Strategies of a sequence go by the names of their classes.
        ``None`` is random sampling, which is added as "random".
    estimator : object
        The classifier or regressor, see :class:`SimulatedActiveLearner`.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,) or, with a regressor, (n_samples, n_targets)
        True labels, as the annotator gives them.
    X_test : array-like of shape (n_test_samples, ...), default=None
        Inputs to score on, instead of rows set aside from ``X`` in each repeat.
    y_test : array-like of shape (n_test_samples,), default=None
        Their labels.
    n_repeats : int or iterable of int, default=5
        Number of paired repeats. Five cannot show small differences: use more. Given
        as numbers, just these are played, such as one in each task of a cluster.
    n_initial : int, default=10
        Number of labels at the start.
    batch_size : int, default=10
        Number of labels that each query asks for.
    n_cycles : int, default=10
        Number of queries.
    initial : {"stratified", "random"}, default="stratified"
        Whether the first labels are spread evenly over the classes, of a regression
        over the inputs, or drawn at random.
    retrain : {"scratch", "warm", "shrink_perturb"}, default="scratch"
        Whether each fit starts from new weights, the last ones, or these shrunk.
    scoring : str, callable, list or dict of these, default=None
        Metrics, as in scikit-learn, or ours; the first is the one that is compared.
        ``None`` is "accuracy", or the error of a regressor with its sign turned, see
        :class:`SimulatedActiveLearner`. Among others "recall_by_class" stands for the
        recall of each class, of which the report has a table. Where labels are words,
        say which class is positive: ``make_scorer(f1_score, pos_label="spam")``.
    test_size : float, int or None, default=0.25
        Rows to score on, set aside in each repeat; ``None`` with ``X_test``.
    label_noise : float, default=0.0
        Probability that the annotator gives a wrong label.
    n_copies : int, default=1
        Number of times that each row occurs in the pool.
    copy_noise : float, default=0.1
        Standard deviation of the noise on copies, as a share of that of ``X``.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row whose label is unknown; it is never queried. Unknown targets of a
        regression are NaN.
    cost : array-like of shape (n_samples,), default=None
        Cost of each label; the curves then have a column with the cost spent.
    budget : float, default=None
        What the labels of a query may cost together. It ends at ``batch_size`` labels,
        or before the one that is too dear; what it leaves is added to the next. The
        comparison is then one over cost, see :meth:`Comparison.over_cost`, as
        strategies buy different numbers of labels. Give a ``batch_size`` that the
        cheapest rows do not reach, or it is that which ends queries.
    references : dict of str to classifier, default=None
        Reference lines for the figures: classifiers fitted to the labels
        that random sampling buys, such as a logistic regression on the inputs, or one
        that learns from the rows without a label, as in ``sklearn.semi_supervised``.
        ``None`` in place of a classifier is ``estimator`` fitted to the whole pool.
    search : bool or dict, default=False
        Whether to search, with the true labels, for batches that serve better than
        those of the strategies, to see how much there was to gain: a lower bound. In
        each round the picks of a portfolio of strategies, from the whole pool and from
        parts of it, are tried, and the batch is kept whose classifier is best on
        selection rows, which are taken out of the pool of every strategy. A dict sets
        "n_candidates" (30 batches a round), "portfolio" (a list of strategies) and
        "selection_size" (0.25 of the pool, or a number of rows). It takes as many fits
        a round as there are candidates: with a net, search on frozen embeddings with a
        linear head. See ``Comparison.search`` and ``Comparison.gap``.
    run_dir : str or Path, default=None
        Folder that keeps the run, one line for each round: indices, scores, times,
        memory, seeds, versions. A comparison that was killed goes on from there when
        it is called again, with the result it would have had. It may then have more
        strategies, repeats and cycles; any other change is refused. All jobs must see
        the directory. Files that were damaged or belong to another run are an error;
        a net, metric or strategy of your own that has changed since, too.
    same_code : bool, default=False
        Whether a run goes on although your own code has changed since: say so if the
        change makes no difference to any round.
    n_jobs : int, default=None
        Number of jobs at a time, as in joblib.
    progress : bool, default=True
        Whether to show a progress bar.
    random_state : int, RandomState or None, default=None
        Seed of all repeats. ``None`` is the seed of the run that ``run_dir`` holds, or
        a fresh one.

    Returns
    -------
    Comparison
        Curves, table, figure and report.

    See Also
    --------
    does_al_help : The same question with a choice of strategies and an answer in words.
    SimulatedActiveLearner : Plays one strategy once.
    replay : Scores a finished run in another way.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import compare_strategies
    >>> from skal_deep.pool import MarginSampling
    >>> X, y = load_iris(return_X_y=True)
    >>> options = {"n_repeats": 2, "n_cycles": 2, "progress": False}
    >>> comparison = compare_strategies(
    ...     [MarginSampling()], GaussianNB(), X, y, **options
    ... )
    >>> comparison.strategies
    ['random', 'MarginSampling']
    """
    repeats, named = repeat_numbers(n_repeats), named_strategies(strategies)
    references = named_references(references, named)
    if budget is not None and (references or search):
        raise ValueError(
            "With a budget strategies are compared over cost, where references and a "
            "search have no place: leave these out, or the budget."
        )
    if asks_for_recalls(scoring):
        known = label_array(y, missing_label)
        known = known[known_rows(known, missing_label)]
        classes = [] if is_regressor(estimator) else np.unique(known).tolist()
        scoring = with_recalls(scoring, classes)
    if scoring is not None:
        named_scorers(scoring)  # it says more of a wrong metric than the learner does
    if X_test is None and test_size is None:
        raise ValueError("Nothing to score on: give X_test and y_test, or a test_size.")
    learner = SimulatedActiveLearner(
        estimator,
        n_initial=n_initial,
        batch_size=batch_size,
        n_cycles=n_cycles,
        initial=initial,
        retrain=retrain,
        scoring=scoring,
        test_size=test_size,
        label_noise=label_noise,
        n_copies=n_copies,
        copy_noise=copy_noise,
        missing_label=missing_label,
    )
    data = GivenData(X, y, X_test, y_test, cost, budget).for_model(estimator)
    y = data.y
    learner = settled(learner, y)
    missing_label = learner.missing_label
    check_choice(learner, y, test_is_given=X_test is not None)
    sought = search_of(search, missing_label)
    size, seekers = None, {}
    if sought is not None:
        seeker, size = sought
        if FOUND in (*named, *references):
            raise ValueError(f"The name {FOUND!r} is for the search: use another.")
        check_search(learner, y, X_test is not None, size)
        seekers = {FOUND: seeker}
    played = named | seekers
    run = None
    if run_dir is not None:
        run = RunDirectory(Path(run_dir).resolve())
        run, random_state = begin(
            run, learner, played, data, random_state, same_code, size
        )
    seed, outcomes = as_seed(random_state), []
    try:
        if run is not None:
            begun = [(name, repeat) for name in played for repeat in repeats]
            run.check(begun, len(y) * n_copies, versions())
        outcomes = play_jobs(
            [
                joblib.delayed(run_job)(
                    learner, name, strategy, repeat, seed, run, None, size, **vars(data)
                )
                for repeat in repeats
                for name, strategy in played.items()
            ],
            n_jobs,
            progress,
        )
    finally:
        if run is not None:
            run.forget_unplayed()
    random_picks = {
        outcome.repeat: [row["indices"] for row in outcome.rows]
        for outcome in outcomes
        if outcome.strategy == BASELINE and outcome.error is None
    }
    lines = play_jobs(
        reference_jobs(
            references, learner, random_picks, seed, run, data, same_code, size
        ),
        n_jobs,
        progress,
    )
    failures = report_failures(outcomes, lines)
    check_paired(outcomes)
    found = [outcome for outcome in outcomes if outcome.strategy == FOUND]
    outcomes = [outcome for outcome in outcomes if outcome.strategy != FOUND]
    settings = {
        **settings_of(learner, data, len(repeats)),
        "strategies": {name: format_estimator(each) for name, each in named.items()},
        "first_labels": (
            {} if is_regressor(estimator) else _first_labels(outcomes, y, missing_label)
        ),
        "references": {
            name: format_estimator(each) for name, each in references.items()
        },
        "failures": failures,
        "random_state": seed,
    }
    if budget is not None:
        settings["budget"] = budget
    if seekers:
        settings["search"] = {
            "strategy": format_estimator(seekers[FOUND]),
            "selection_size": size,
        }
    compared = collect_outcomes(outcomes, list(named), settings, [*lines, *found])
    return compared if budget is None else compared.over_cost()


def _first_labels(
    outcomes: list[Outcome], y: Any, missing_label: Any
) -> dict[Any, float]:
    """Return how many first labels each class got, as means over the repeats."""
    y = label_array(y, missing_label)
    known = known_rows(y, missing_label)
    starts = [
        outcome.rows[0]["indices"]
        for outcome in outcomes
        if outcome.strategy == BASELINE and outcome.rows
    ]
    rows = np.searchsorted(known, np.concatenate(starts).astype(np.intp) % len(y))
    return {
        label: count / len(starts)
        for label, count in first_labels(y[known], rows).items()
    }
