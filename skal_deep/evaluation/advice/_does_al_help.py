"""Whether active learning helps, on these data, with this model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

from sklearn.pipeline import Pipeline

from skal_deep.classifier import (
    Embeds,
    GivesCovariance,
    PredictsProba,
    SamplesPredictions,
    as_model,
)
from skal_deep.classifier.door._inside import is_regressor
from skal_deep.evaluation._export import shorten
from skal_deep.evaluation.advice._answer import Answer
from skal_deep.evaluation.advice._reasons import find_reasons
from skal_deep.evaluation.advice._tuning import tuning_effect
from skal_deep.evaluation.comparison._compare import compare_strategies
from skal_deep.evaluation.simulation._start import GivenData
from skal_deep.pool import (
    LCMD,
    Badge,
    BatchEPIG,
    CoreSet,
    MarginSampling,
    MeanStd,
    Power,
)
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import is_finite
from skal_deep.rows._numbers import numbers


def does_al_help(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    strategies: Mapping[str, Any] | Sequence[Any] | None = None,
    param_grid: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    n_repeats: int = 10,
    explain: bool = False,
    smallest_gain: float = 0.02,
    **options: Any,
) -> Answer:
    """Find out whether active learning helps, and say so in words.

    Strategies are played through on labels that are known, beside random sampling, as
    in :func:`compare_strategies`. With ``param_grid`` the model is tuned as well, so
    that the effect of a strategy can be seen beside that of a better model, which is
    often larger.

    Use it first: it asks on your data, with your model, whether active learning is
    worth the trouble.

    Parameters
    ----------
    estimator : object
        The classifier or regressor, see :class:`SimulatedActiveLearner`.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,) or, with a regressor, (n_samples, n_targets)
        The true labels, which the annotator gives.
    strategies : dict of str to QueryStrategy, or sequence of these, default=None
        What to compare. ``None`` is margin sampling for uncertainty, and for diversity
        Badge with a model that has features, as nets and logistic regression have, or a
        core-set with any other, if rows are numbers without gaps or a Pipeline makes
        them so. For a regressor it is LCMD, and beside it BatchEPIG where covariances
        are known, or the spread of its draws, by ``Power``, where it has draws. With
        each further strategy, all of them need stronger evidence.
    param_grid : dict or list of dict, default=None
        A few settings of the classifier, as in ``GridSearchCV``. Each is trained once
        a repeat, on a whole budget of random labels.
    n_repeats : int, default=10
        Number of paired repeats, at least two.
    explain : bool, default=False
        Whether to look for a reason where no strategy is better, or where the gain is
        gone at the end of the budget: one of seven that are measured, or none of them,
        see :meth:`Answer.reasons`. It takes about six fits of all labels a repeat.
        Whether the uncertainty of a regressor is reliable can be told only if it knows
        a variance.
    smallest_gain : float, default=0.02
        The gain in score that matters, for the reasons; of an error of numbers the
        share of it.
    **options : dict
        Further parameters of :func:`compare_strategies`: budget, scoring, test data,
        jobs, random_state.

    Returns
    -------
    Answer
        The verdict; print it, or write it with ``to_html``.

    See Also
    --------
    compare_strategies : The comparison behind it, for strategies that you choose.
    Answer : What is returned.
    stopping_advice : When to stop labelling.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import does_al_help
    >>> X, y = load_iris(return_X_y=True)
    >>> options = {"n_repeats": 5, "n_cycles": 2, "progress": False, "random_state": 0}
    >>> does_al_help(GaussianNB(), X, y, **options).word
    'no difference detected'
    """
    if not isinstance(n_repeats, Integral) or n_repeats < 2:
        raise ValueError(
            f"A verdict needs at least two repeats, not {shorten(n_repeats)}."
        )
    if options.get("budget") is not None and (explain or param_grid is not None):
        raise ValueError(
            "Reasons and settings are looked for at equal numbers of labels: leave out "
            "explain and param_grid, or the budget."
        )
    if strategies is None:
        strategies = _sensible(estimator, X)
    comparison = compare_strategies(
        strategies, estimator, X, y, n_repeats=n_repeats, **options
    )
    if len(comparison.strategies) < 2:
        raise ValueError("Name a strategy beside random sampling.")
    tuning = None
    if param_grid is not None:
        tuning = tuning_effect(comparison, estimator, X, y, param_grid, **options)
    answer = Answer(comparison, tuning, X, y)
    if not explain:
        return answer
    given = {name: options.get(name) for name in ("X_test", "y_test")}
    data = GivenData(X, y, **given).for_model(estimator)
    is_better = answer.word == "better"
    reasons = find_reasons(
        comparison, answer.best, estimator, data, smallest_gain, is_better
    )
    return replace(answer, found=tuple(reasons))


def _sensible(estimator: Any, X: Any) -> list[Any]:
    """Return a strategy for uncertainty, and one for diversity if it can measure."""
    model = as_model(estimator)
    if is_regressor(estimator):
        if isinstance(model, GivesCovariance):
            return [LCMD(), BatchEPIG()]
        if isinstance(model, SamplesPredictions):
            return [LCMD(), MeanStd(selection=Power(coldness=2.0))]
        return [LCMD()]
    if not isinstance(model, PredictsProba):
        return [CoreSet()]
    if isinstance(model, Embeds):
        return [MarginSampling(), Badge()]
    if not isinstance(estimator, Pipeline) and not _has_distances(X):
        return [MarginSampling()]
    return [MarginSampling(), CoreSet()]


def _has_distances(X: Any) -> bool:
    """Return whether rows are numbers without gaps."""
    try:
        return is_finite(numbers(as_data(X), who="CoreSet"))
    except (TypeError, ValueError):
        return False
