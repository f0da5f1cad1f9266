"""The effect of tuning the model, to compare with the effect of a strategy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from skal_deep.evaluation.comparison._compare import compare_strategies
from skal_deep.evaluation.comparison._result import BASELINE, Comparison
from skal_deep.evaluation.statistics._paired import PairedDifference, paired_difference


@dataclass(frozen=True)
class Tuning:
    """The effect of choosing parameters of the model.

    :func:`does_al_help` makes it from ``param_grid``: compare it with the gain of the
    best strategy.

    Attributes
    ----------
    difference : PairedDifference
        Score of the tuned model less that of the given one, on the same random labels
        of the whole budget.
    settings : list of dict
        All settings; the first, empty one is the model as it was given.
    scores : list of ndarray of shape (n_repeats,)
        The score of each setting.

    See Also
    --------
    does_al_help : Tunes the model beside the comparison.
    Answer : Holds both results.

    Examples
    --------
    >>> from skal_deep.evaluation import Tuning, paired_difference
    >>> given, tuned = [0.71, 0.81, 0.77], [0.82, 0.91, 0.86]
    >>> difference = paired_difference(tuned, given)
    >>> Tuning(difference, [{}, {"lr": 0.01}], [given, tuned]).best
    {'lr': 0.01}
    """

    difference: PairedDifference
    settings: list[dict[str, Any]]
    scores: list[np.ndarray[Any, np.dtype[np.float64]]]

    @property
    def best(self) -> dict[str, Any]:
        """The setting with the best mean score, of those with all their scores."""
        return self.settings[int(np.argmax(_means(np.array(self.scores))))]


def tuning_effect(
    comparison: Comparison,
    estimator: Any,
    X: Any,
    y: Any,
    param_grid: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    **options: Any,
) -> Tuning:
    """Return what tuning brings at the end of the budget, by random sampling.

    The setting for a repeat is the best of the other repeats: chosen on the repeat it
    is scored on, it would look better than it is.

    Parameters
    ----------
    comparison : Comparison
        What strategies brought; its seed and its last number of labels are used.
    estimator : object
        The model.
    X, y : array-like
        The data of the comparison.
    param_grid : dict or list of dict
        Settings, as in ``GridSearchCV``.
    **options : dict
        Those of the comparison.
    """
    n_labels = int(comparison.curve(BASELINE, "n_labels")[:, -1].min())
    others = ("run_dir", "references")  # they are about the model as it was given
    options = {name: value for name, value in options.items() if name not in others}
    options |= {
        "n_initial": n_labels,
        "n_cycles": 0,
        "initial": "random",
        "random_state": comparison.settings["random_state"],
        "n_repeats": len(comparison.curve(BASELINE)),
    }
    settings = [{}, *ParameterGrid(param_grid)]
    scores = []
    for setting in settings:
        model = clone(estimator).set_params(**setting)
        result = compare_strategies({}, model, X, y, **options)
        scores.append(result.curve(BASELINE)[:, -1])
    score_PR = np.array(scores)
    # A setting that lacks a score is never chosen, not even where it has one.
    tried_PR = score_PR[np.isfinite(_means(score_PR))]
    if not len(tried_PR):
        tried_PR = score_PR[:1]
    tuned = [
        row[np.delete(tried_PR, repeat, axis=1).mean(axis=1).argmax()]
        for repeat, row in enumerate(tried_PR.T)
    ]
    difference = paired_difference(tuned, score_PR[0], comparison.overlap)
    return Tuning(difference, settings, scores)


def _means(score_PR: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    """Return the mean score of each setting; minus infinity if one is missing."""
    mean_P = np.full(len(score_PR), -np.inf)
    is_whole_P = np.isfinite(score_PR).all(axis=1)
    mean_P[is_whole_P] = score_PR[is_whole_P].mean(axis=1)
    return mean_P
