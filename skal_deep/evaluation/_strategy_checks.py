"""What every query strategy must do, one function a promise.

Each check takes a :class:`Case` and raises ``AssertionError`` if the promise is broken.
"""

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from skactiveml.exceptions import MappingError
from skactiveml.utils import is_unlabeled
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skal_deep.evaluation._strategy_case import Case

CHECKS: list[Callable[[Case], None]] = []


def _check(function: Callable[[Case], None]) -> Callable[[Case], None]:
    """List a check."""
    CHECKS.append(function)
    return function


@_check
def check_loop_from_a_cold_start(case: Case) -> None:
    """Labels are gathered from none at all, new ones in each cycle."""
    y = np.full(len(case.X), -1)
    for n_labels in (3, 6, 9):
        picks = case.query(y=y, batch_size=3)
        y[picks] = case.y_true[picks]
        assert (y != -1).sum() == n_labels, "a cycle returned labelled or equal rows"


@_check
def check_output(case: Case) -> None:
    """Integers and floats of the right shapes, NaN exactly where promised."""
    unlabeled = np.flatnonzero(case.y == -1)
    with_labeled = np.concatenate([np.flatnonzero(case.y != -1)[:2], unlabeled[:8]])
    for candidates in (None, unlabeled[::2], with_labeled):
        allowed = unlabeled if candidates is None else candidates
        picks, utilities = case.query(
            candidates=candidates, batch_size=5, return_utilities=True
        )
        assert isinstance(picks, np.ndarray), f"indices are a {type(picks).__name__}"
        assert picks.dtype.kind == "i", f"indices have the type {picks.dtype}"
        assert picks.shape == (5,), f"indices have the shape {picks.shape}"
        assert len(set(picks)) == 5, "an index is returned twice"
        assert np.isin(picks, allowed).all(), "an index is no candidate"
        assert utilities.shape == (5, len(case.X)), "utilities have a wrong shape"
        assert utilities.dtype.kind == "f", "utilities are no floats"
        for step, row in enumerate(utilities):
            left = np.setdiff1d(allowed, picks[:step])
            is_left = np.isin(np.arange(len(row)), left)
            assert np.isfinite(row[is_left]).all(), "a candidate has no utility"
            assert np.isnan(row[~is_left]).all(), "NaN is missing where nothing is left"


@_check
def check_picks_follow_utilities(case: Case) -> None:
    """A pick has the highest utility of its row, or was drawn with its probability."""
    picks, utilities = case.query(batch_size=5, return_utilities=True)
    for pick, row in zip(picks, utilities, strict=True):
        is_distribution = abs(np.nansum(row) - 1) < 1e-4 and np.nanmin(row) >= 0
        assert row[pick] == np.nanmax(row) or (is_distribution and row[pick] > 0), (
            "a pick is not the one its utilities favour"
        )


@_check
def check_batch_begins_with_the_single_pick(case: Case) -> None:
    """The first row of utilities does not depend on the size of the batch."""
    _, one = case.query(batch_size=1, return_utilities=True)
    _, many = case.query(batch_size=4, return_utilities=True)
    np.testing.assert_allclose(one[0], many[0], rtol=1e-5)


@_check
def check_forms_of_candidates(case: Case) -> None:
    """All unlabelled rows, their indices and their inputs give the same picks."""
    unlabeled = np.flatnonzero(case.y == -1)
    picks, utilities = case.query(batch_size=3, return_utilities=True)
    by_index, same = case.query(
        candidates=unlabeled, batch_size=3, return_utilities=True
    )
    np.testing.assert_array_equal(picks, by_index)
    np.testing.assert_allclose(utilities, same, rtol=1e-5)
    try:
        by_input, theirs = case.query(
            candidates=case.X[unlabeled], batch_size=3, return_utilities=True
        )
    except MappingError:
        return
    assert theirs.shape == (3, len(unlabeled))
    np.testing.assert_allclose(utilities[:, unlabeled], theirs, rtol=1e-5)
    np.testing.assert_array_equal(picks, unlabeled[by_input])


@_check
def check_copies_and_ties(case: Case) -> None:
    """No index comes twice where rows are equal, nor where all of them are."""
    for X in (np.repeat(case.X[:6], 5, axis=0), np.repeat(case.X[:1], 30, axis=0)):
        y = np.full(30, -1)
        y[:4] = case.y_true[:4]
        picks = case.query(X=X, y=y, batch_size=20)
        assert len(set(picks)) == 20, "an index is returned twice"
        assert (picks >= 4).all(), "a labelled row is returned"


@_check
def check_whole_pool(case: Case) -> None:
    """A batch as large as the pool is the pool."""
    unlabeled = np.flatnonzero(case.y == -1)
    picks = case.query(batch_size=len(unlabeled))
    np.testing.assert_array_equal(np.sort(picks), unlabeled)


@_check
def check_one_class(case: Case) -> None:
    """Labels of a single class are enough to go on."""
    y = np.where(np.arange(len(case.X)) < 4, 0, -1)
    assert len(set(case.query(y=y, batch_size=3))) == 3
    alone = case.classifier(classes=[0])
    assert len(set(case.query(y=y, clf=alone, batch_size=3))) == 3


@_check
def check_batch_larger_than_pool(case: Case) -> None:
    """All that is left is returned, with a warning."""
    y = np.where(np.arange(len(case.X)) < len(case.X) - 3, case.y_true, -1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        picks, utilities = case.loud_query(y=y, batch_size=10, return_utilities=True)
    assert len(picks) == len(utilities) == 3
    assert any("batch_size" in str(w.message) for w in caught), "no warning"


@_check
def check_exhausted_pool(case: Case) -> None:
    """With every row labelled there is nothing to query, and the error says so."""
    _must_raise(case, ValueError, "label", y=case.y_true)


@_check
def check_batch_size_types(case: Case) -> None:
    """NumPy's integers are integers; fractions, zero and truth values are not."""
    assert len(case.query(batch_size=np.int64(2))) == 2
    for wrong in (1.5, 0, True, "2"):
        _must_raise(case, (TypeError, ValueError), "batch_size", batch_size=wrong)


@_check
def check_malformed_candidates(case: Case) -> None:
    """Masks, fractions, negative and unknown rows are refused, not misread."""
    malformed: list[Any] = [
        case.y == -1,
        np.array([1.5, 2.5]),
        np.array([-1]),
        np.array([len(case.X)]),
        [],
    ]
    for wrong in malformed:
        _must_raise(case, ValueError, "", candidates=wrong)


@_check
def check_malformed_input(case: Case) -> None:
    """NaN, infinity and unequal lengths are refused."""
    for wrong in (np.nan, np.inf):
        X = case.X.copy()
        X.flat[0] = wrong
        _must_raise(case, ValueError, "", X=X)
    _must_raise(case, ValueError, "", y=case.y[:-1])


@_check
def check_unfitted_classifier(case: Case) -> None:
    """An unfitted classifier that is not to be fitted is refused."""
    if case.uses_classifier:
        _must_raise(case, NotFittedError, "", fit_clf=False)


@_check
def check_fitting_first(case: Case) -> None:
    """Fitting inside is fitting before."""
    inside = case.query(batch_size=3, return_utilities=True)
    before = case.query(
        clf=case.fitted(), fit_clf=False, batch_size=3, return_utilities=True
    )
    np.testing.assert_array_equal(inside[0], before[0])
    np.testing.assert_allclose(inside[1], before[1], rtol=1e-5)


@_check
def check_sample_weight(case: Case) -> None:
    """Weights are taken; equal ones change nothing."""
    weight = np.ones(len(case.X))
    np.testing.assert_array_equal(
        case.query(batch_size=3), case.query(batch_size=3, sample_weight=weight)
    )


@_check
def check_generators(case: Case) -> None:
    """The global generators neither matter nor move, and equal seeds agree."""
    answers = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        before = pickle.dumps(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
        answers.append(case.query(batch_size=4).tolist())
        after = pickle.dumps(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
        assert before[0] == after[0], "NumPy's global generator moved"
        assert torch.equal(before[1], after[1]), "torch's global generator moved"
    assert answers[0] == answers[1], "the global seed matters"
    strategy = case.strategy(random_state=np.random.RandomState(3))
    first, second = (case.query(strategy, batch_size=4).tolist() for _ in range(2))
    assert first == second, "the caller's RandomState is used up"


@_check
def check_inputs_untouched(case: Case) -> None:
    """Data, candidates and classifier come back as they went in."""
    candidates = np.flatnonzero(case.y == -1)[::2]
    clf = case.classifier()
    arrays: list[Any] = [case.X, case.y, candidates]
    copies, attributes = [a.copy() for a in arrays], set(vars(clf))
    case.query(clf=clf, candidates=candidates, batch_size=2)
    for array, as_it_was in zip(arrays, copies, strict=True):
        assert np.array_equal(array, as_it_was), "an input array was changed"
    assert set(vars(clf)) == attributes, "the classifier was fitted in place"
    fitted = case.fitted()
    attributes, before = set(vars(fitted)), _state(fitted)
    proba = fitted.predict_proba(case.X)
    case.query(clf=fitted, fit_clf=False, batch_size=2)
    assert set(vars(fitted)) == attributes, "the classifier has new attributes"
    assert _state(fitted) == before, "modes or hooks of the net were changed"
    assert np.array_equal(fitted.predict_proba(case.X), proba), "the fit was changed"


@_check
def check_inference_batch_size(case: Case) -> None:
    """The mini-batches of prediction do not matter."""
    clf = case.fitted()
    other = copy.deepcopy(clf)
    for net in getattr(other, "nets_", []):
        net.iterator_valid__batch_size = 7
    mine, its = (
        case.query(clf=c, fit_clf=False, batch_size=3, return_utilities=True)
        for c in (clf, other)
    )
    np.testing.assert_array_equal(mine[0], its[0])
    np.testing.assert_allclose(mine[1], its[1], rtol=1e-4, atol=1e-6)


@_check
def check_order_of_the_pool(case: Case) -> None:
    """Permuted data give the same rows and utilities."""
    clf, order = case.fitted(), np.random.default_rng(0).permutation(len(case.X))
    picks, utilities = case.query(
        clf=clf, fit_clf=False, batch_size=4, return_utilities=True
    )
    permuted_picks, permuted = case.query(
        X=case.X[order],
        y=case.y[order],
        clf=clf,
        fit_clf=False,
        batch_size=4,
        return_utilities=True,
    )
    np.testing.assert_allclose(utilities[:, order], permuted, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(picks, order[permuted_picks])


@_check
def check_missing_labels(case: Case) -> None:
    """Any missing label of scikit-activeml's will do."""
    names = np.array(["a", "b", "c"])[case.y_true]
    for missing, classes, labels in (
        (-1, [0, 1, 2], case.y_true.astype(int)),
        (np.nan, [0, 1, 2], case.y_true.astype(float)),
        (None, ["a", "b", "c"], names.astype(object)),
        ("nan", ["a", "b", "c"], names.astype("<U3")),
    ):
        y = labels.copy()
        y[case.y == -1] = missing
        picks = case.query(
            case.strategy(missing_label=missing),
            y=y,
            clf=case.classifier(missing_label=missing, classes=classes),
            batch_size=2,
        )
        assert is_unlabeled(y[picks], missing).all(), f"labelled with {missing!r}"


@_check
def check_estimator_api(case: Case) -> None:
    """clone, set_params, repr and pickle work, and no state is kept."""
    strategy = case.strategy()
    picks = case.query(strategy).tolist()
    assert clone(strategy).get_params().keys() == strategy.get_params().keys()
    assert clone(strategy).set_params(random_state=3).random_state == 3
    assert type(strategy).__name__ in repr(strategy)
    assert case.query(pickle.loads(pickle.dumps(strategy))).tolist() == picks
    kept = {name for name in vars(strategy) if name.endswith("_")}
    kept -= {"missing_label_", "n_features_in_", "random_state_"}
    assert not kept, f"the strategy keeps {kept}"


@_check
def check_parameters(case: Case) -> None:
    """Every parameter has a domain, and what is outside is refused."""
    constraints = getattr(case.template, "_parameter_constraints", None)
    if constraints is None:
        return
    for name in case.template.get_params(deep=False):
        assert name in constraints, f"{name} has no entry in _parameter_constraints"
        if name == "missing_label":
            continue
        strategy = case.strategy().set_params(**{name: object()})
        try:
            case.query(strategy)
        except (ValueError, TypeError) as error:
            message = str(error)
        else:
            message = "it was taken without an error"
        assert name in message, f"a wrong {name} is not named: {message}"


def _state(clf: Any) -> list[Any]:
    """Return the weights, modes and hooks of a classifier's nets."""
    modules = [
        module for net in getattr(clf, "nets_", []) for module in net.module_.modules()
    ]
    return [
        (
            module.training,
            len(module._forward_hooks) + len(module._forward_pre_hooks),
            [value.tolist() for value in module.state_dict().values()],
        )
        for module in modules
    ]


def _must_raise(case: Case, kind: Any, words: str, **change: Any) -> None:
    """Raise unless a query raises an error with some words in it."""
    try:
        case.query(**change)
    except kind as error:
        message = str(error)
    else:
        raise AssertionError(f"{change} is taken without an error")
    assert words in message, f"the error does not say {words!r}: {message}"
