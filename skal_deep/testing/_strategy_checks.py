"""What every query strategy must answer, one function a promise.

Each check takes a :class:`Case` and raises ``AssertionError`` if the promise is broken,
also where Python leaves out ``assert`` (``python -O``).
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from skactiveml.exceptions import MappingError

from skal_deep.testing._promises import expect
from skal_deep.testing._strategy_case import Case

CHECKS: list[Callable[[Case], None]] = []


def check(function: Callable[[Case], None]) -> Callable[[Case], None]:
    """List a check."""
    CHECKS.append(function)
    return function


@check
def check_loop_from_a_cold_start(case: Case) -> None:
    """Labels are gathered from none at all, new ones in each cycle."""
    y = np.full(len(case.X), -1)
    for n_labels in (3, 6, 9):
        picks = case.query(y=y, batch_size=3)
        y[picks] = case.y_true[picks]
        expect((y != -1).sum() == n_labels, "a cycle returned labelled or equal rows")


@check
def check_output(case: Case) -> None:
    """Integers and floats of the right shapes, NaN exactly where promised."""
    unlabeled = np.flatnonzero(case.y == -1)
    with_labeled = np.concatenate([np.flatnonzero(case.y != -1)[:2], unlabeled[:8]])
    for candidates in (None, unlabeled[::2], with_labeled):
        allowed = unlabeled if candidates is None else candidates
        picks, utilities = case.query(
            candidates=candidates, batch_size=5, return_utilities=True
        )
        kind = type(picks).__name__
        expect(isinstance(picks, np.ndarray), f"indices are a {kind}")
        expect(picks.dtype.kind == "i", f"indices have the type {picks.dtype}")
        expect(picks.shape == (5,), f"indices have the shape {picks.shape}")
        expect(len(set(picks)) == 5, "an index is returned twice")
        expect(np.isin(picks, allowed).all(), "an index is no candidate")
        expect(utilities.shape == (5, len(case.X)), "utilities have a wrong shape")
        expect(utilities.dtype.kind == "f", "utilities are no floats")
        for step, row in enumerate(utilities):
            left = np.setdiff1d(allowed, picks[:step])
            is_left = np.isin(np.arange(len(row)), left)
            expect(np.isfinite(row[is_left]).all(), "a candidate has no utility")
            expect(
                np.isnan(row[~is_left]).all(), "NaN is missing where nothing is left"
            )


@check
def check_picks_follow_utilities(case: Case) -> None:
    """A pick has the highest utility of its row, or was drawn with its probability."""
    picks, utilities = case.query(batch_size=5, return_utilities=True)
    for pick, row in zip(picks, utilities, strict=True):
        is_distribution = abs(np.nansum(row) - 1) < 1e-4 and np.nanmin(row) >= 0
        expect(
            row[pick] == np.nanmax(row) or (is_distribution and row[pick] > 0),
            "a pick is not the one its utilities favour",
        )


@check
def check_batch_begins_with_the_single_pick(case: Case) -> None:
    """The first row of utilities does not depend on the size of the batch.

    Strategies and rules that plan the batch as a whole say so by ``_plans_batch``.
    """
    rule = getattr(case.template, "selection", None)
    if any(getattr(part, "_plans_batch", False) for part in (case.template, rule)):
        return
    _, one = case.query(batch_size=1, return_utilities=True)
    _, many = case.query(batch_size=4, return_utilities=True)
    np.testing.assert_allclose(one[0], many[0], rtol=1e-5)


@check
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
    expect(theirs.shape == (3, len(unlabeled)), "utilities have a wrong shape")
    np.testing.assert_allclose(utilities[:, unlabeled], theirs, rtol=1e-5)
    np.testing.assert_array_equal(picks, unlabeled[by_input])


@check
def check_copies_and_ties(case: Case) -> None:
    """No index comes twice where rows are equal, nor where all of them are."""
    for X in (np.repeat(case.X[:6], 5, axis=0), np.repeat(case.X[:1], 30, axis=0)):
        y = np.full(30, -1)
        y[:4] = case.y_true[:4]
        picks = case.query(X=X, y=y, batch_size=20)
        expect(len(set(picks)) == 20, "an index is returned twice")
        expect((picks >= 4).all(), "a labelled row is returned")


@check
def check_whole_pool(case: Case) -> None:
    """A batch as large as the pool is the pool."""
    unlabeled = np.flatnonzero(case.y == -1)
    picks = case.query(batch_size=len(unlabeled))
    np.testing.assert_array_equal(np.sort(picks), unlabeled)


@check
def check_one_class(case: Case) -> None:
    """Labels of a single class are enough to go on."""
    y = np.where(np.arange(len(case.X)) < 4, 0, -1)
    for clf in (case.classifier(), case.classifier(classes=[0])):
        picks = case.query(y=y, clf=clf, batch_size=3)
        expect(len(set(picks)) == 3, "an index is returned twice")


@check
def check_batch_larger_than_pool(case: Case) -> None:
    """All that is left is returned, with a warning."""
    y = np.where(np.arange(len(case.X)) < len(case.X) - 3, case.y_true, -1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        picks, utilities = case.loud_query(y=y, batch_size=10, return_utilities=True)
    expect(len(picks) == len(utilities) == 3, "not all that is left is returned")
    expect(any("batch_size" in str(w.message) for w in caught), "no warning")


@check
def check_exhausted_pool(case: Case) -> None:
    """With every row labelled there is nothing to query, and the error says so."""
    must_raise(case, ValueError, "label", y=case.y_true)


@check
def check_batch_size_types(case: Case) -> None:
    """NumPy's integers are integers; fractions, zero and truth values are not."""
    expect(len(case.query(batch_size=np.int64(2))) == 2, "np.int64(2) is not 2")
    for wrong in (1.5, 0, True, "2"):
        must_raise(case, (TypeError, ValueError), "batch_size", batch_size=wrong)


@check
def check_malformed_candidates(case: Case) -> None:
    """Masks, fractions, negative and unknown rows are refused, not misread."""
    malformed: list[Any] = [
        case.y == -1,
        np.array([1.5, 2.5]),
        np.array([-1]),
        np.array([len(case.X)]),
        np.array([2**63], dtype=np.uint64),
        [],
        case.X[:0],
        np.zeros((2, 1 + np.prod(case.X.shape[1:])), dtype=int),
        np.full(case.X[:2].shape, "a"),
    ]
    for wrong in malformed:
        must_raise(case, ValueError, "", candidates=wrong)


@check
def check_malformed_input(case: Case) -> None:
    """NaN, infinity and unequal lengths are refused."""
    for wrong in (np.nan, np.inf):
        X = case.X.copy()
        X.flat[0] = wrong
        must_raise(case, ValueError, "", X=X)
    must_raise(case, ValueError, "", y=case.y[:-1])


def must_raise(case: Case, kind: Any, words: str, **change: Any) -> None:
    """Raise unless a query raises an error with some words in it."""
    try:
        case.query(**change)
    except kind as error:
        message = str(error)
    else:
        raise AssertionError(f"{change} is taken without an error")
    expect(words in message, f"the error does not say {words!r}: {message}")
