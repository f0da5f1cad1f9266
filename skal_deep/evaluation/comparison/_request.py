"""What a comparison is asked for, checked before anything runs."""

from collections.abc import Iterable, Mapping, Sequence
from inspect import isclass
from typing import Any

import numpy as np
from skactiveml.base import QueryStrategy
from skactiveml.pool import RandomSampling

from skal_deep.evaluation._export import check_name
from skal_deep.evaluation._metrics import named_scorers
from skal_deep.evaluation._probe import check_metrics
from skal_deep.evaluation.comparison._estimator_text import format_estimator
from skal_deep.evaluation.comparison._result import BASELINE
from skal_deep.evaluation.simulation._first_labels import (
    warn_of_first_rows,
    warn_of_prevalence,
)
from skal_deep.evaluation.simulation._rules import RULES, HasRules
from skal_deep.evaluation.simulation._start import (
    GivenData,
    check_classes,
    check_learns_labels,
    classes_of,
    known_rows,
)
from skal_deep.rows._label_array import label_array, warn_of_look_alikes


def repeat_numbers(n_repeats: int | Iterable[int]) -> list[int]:
    """Return the numbers of the repeats to play.

    Parameters
    ----------
    n_repeats : int or iterable of int
        Number of repeats, or the numbers of those to play.
    """
    given = n_repeats
    if isinstance(n_repeats, int | np.integer):
        n_repeats = range(n_repeats) if _is_whole(n_repeats) else []
    repeats = list(n_repeats) if isinstance(n_repeats, Iterable) else []
    if not repeats or not all(_is_whole(each) and each >= 0 for each in repeats):
        raise ValueError(
            f"n_repeats must be at least 1, or numbers from 0 up, not {given}."
        )
    if len(set(repeats)) < len(repeats):
        raise ValueError(
            "n_repeats must name each repeat once, as a repeat that is counted twice "
            f"is no evidence; it is {n_repeats}."
        )
    return [int(each) for each in repeats]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def named_strategies(
    strategies: Mapping[str, Any] | Sequence[Any],
) -> dict[str, Any]:
    """Return strategies by name, random sampling first.

    Parameters
    ----------
    strategies : dict of str to QueryStrategy, or sequence of QueryStrategy
        Those of a sequence go by the names of their classes.
    """
    if isinstance(strategies, str) or not isinstance(strategies, Iterable):
        raise TypeError(
            "strategies must be a list of strategies, such as [BALD()], or a dict "
            f"{{name: strategy}}, not {strategies!r}."
        )
    if isinstance(strategies, Mapping):
        by_name = dict(strategies)
        _check_strategies(by_name.values())
    else:
        _check_strategies(strategies)
        by_name = _by_class(strategies)
    for name in by_name:
        check_name("strategy", name)
    if not _is_random(by_name.get(BASELINE)):
        raise ValueError(
            f"The name {BASELINE!r} is for random sampling, with which all are "
            f"compared; give {by_name[BASELINE]!r} another name."
        )
    # The order puts random sampling first, also where the user has named it among the
    # others.
    named = {BASELINE: RandomSampling()} | by_name
    return {n: RandomSampling() if s is None else s for n, s in named.items()}


def _by_class(strategies: Sequence[Any]) -> dict[str, Any]:
    """Return strategies by the names of their classes."""
    names = [
        BASELINE if _is_random(strategy) else type(strategy).__name__
        for strategy in strategies
    ]
    if len(set(names)) < len(names):
        raise ValueError(
            "Strategies of the same class need names: pass a dict {name: strategy}."
        )
    return dict(zip(names, strategies, strict=True))


def _check_strategies(strategies: Iterable[Any]) -> None:
    for strategy in strategies:
        _check_object("strategy", strategy)
        if strategy is not None and not isinstance(strategy, QueryStrategy):
            raise TypeError(
                "A strategy must be one of skal_deep.pool or of scikit-activeml, or "
                f"None for random sampling, not {strategy!r}."
            )


def _check_object(what: str, value: Any) -> None:
    if isclass(value):
        raise TypeError(
            f"The {what} must be an object, not the class {value.__name__}: write "
            f"{value.__name__}(...)."
        )


def _is_random(strategy: Any) -> bool:
    return strategy is None or isinstance(strategy, RandomSampling)


def named_references(
    references: Mapping[str, Any] | None, strategies: Iterable[str]
) -> dict[str, Any]:
    """Return reference lines by name.

    Parameters
    ----------
    references : dict of str to classifier, or None
        The lines.
    strategies : iterable of str
        Names that are taken.
    """
    if references is None:
        return {}
    if not isinstance(references, Mapping):
        raise TypeError(
            f"references must be a dict {{name: classifier}}, not {references!r}."
        )
    for name in references:
        check_name("reference", name)
    if taken := set(references) & set(strategies):
        raise ValueError(
            f"References need names that no strategy has; {', '.join(sorted(taken))} "
            "is taken."
        )
    for classifier in references.values():
        _check_object("reference", classifier)
    return dict(references)


def check_choice(learner: HasRules, y: Any, test_is_given: bool) -> None:
    """Raise unless strategies have a choice of what to label.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    y : array-like of shape (n_samples,)
        The true labels, which the annotator gives.
    test_is_given : bool
        Whether no rows are set aside for scores.
    """
    _check_object("estimator", learner.estimator)
    learner._validate_params()
    check_learns_labels(learner.estimator)
    y = label_array(y, learner.missing_label)
    known = known_rows(y, learner.missing_label)
    check_classes(learner, y, known)
    classes = classes_of(learner, y, known)
    check_metrics(named_scorers(learner.scoring), learner.estimator, classes)
    warn_of_first_rows(learner, y)
    warn_of_look_alikes(y)
    warn_of_prevalence(learner, y)
    n_known = len(known)
    share = 0 if test_is_given else learner.test_size
    n_test = share if share >= 1 else int(np.ceil(share * n_known))
    n_pool = (n_known - n_test) * learner.n_copies
    n_first, n_next = learner.n_initial, learner.batch_size
    if learner.n_cycles and 0 < n_pool <= n_first + n_next:
        raise ValueError(
            f"n_initial={n_first} and one query of batch_size={n_next} would label all "
            f"{n_pool} rows of the pool, so that no strategy has a choice: ask for "
            "fewer."
        )


def settings_of(learner: HasRules, data: GivenData, n_repeats: int) -> dict[str, Any]:
    """Return what was asked for as plain values: of classifier, data and rules.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    data : GivenData
        On what.
    n_repeats : int
        Number of paired repeats.
    """
    params, test_is_given = learner.get_params(deep=False), data.X_test is not None
    settings = {
        "estimator": format_estimator(learner.estimator),
        "n_rows": len(data.y),
        "n_labeled": len(
            known_rows(
                label_array(data.y, learner.missing_label), learner.missing_label
            )
        ),
        "n_repeats": n_repeats,
        **{name: params[name] for name in RULES},
        "scoring": tuple(named_scorers(learner.scoring)),
        "test_is_given": test_is_given,
    }
    return settings | ({"test_size": len(data.y_test)} if test_is_given else {})
