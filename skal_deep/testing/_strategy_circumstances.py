"""What a query must answer in whatever circumstances it is asked."""

import inspect
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skactiveml.exceptions import MappingError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from skal_deep.rows._order import order_by_position
from skal_deep.testing._promises import expect
from skal_deep.testing._strategy_case import Case
from skal_deep.testing._strategy_checks import check as _check
from skal_deep.testing._strategy_checks import must_raise


@_check
def check_candidates_as_inputs(case: Case) -> None:
    """Some rows, labelled ones too, give the same picks as indices and as inputs."""
    unlabeled, labeled = np.flatnonzero(case.y == -1), np.flatnonzero(case.y != -1)
    for rows in (unlabeled[::2], np.concatenate([labeled[:2], unlabeled[3:15]])):
        by_index = case.query(candidates=rows, batch_size=4)
        try:
            by_input = case.query(candidates=case.X[rows], batch_size=4)
        except MappingError:
            return
        np.testing.assert_array_equal(by_index, rows[by_input])


@_check
def check_pipeline_space(case: Case) -> None:
    """A Pipeline's earlier steps are applied to whatever a strategy asks or measures.

    Strategies that name no capability, such as VAAL, look at X itself, and some change
    rows before anything sees them.
    """
    if getattr(case.template, "_needs", None) == ():
        return
    if getattr(case.template, "_changes_inputs", False):
        return
    X = _stretched(case.X)
    step, clf = FunctionTransformer(_stretched), case.classifier()
    with order_by_position():
        inside = case.query(clf=make_pipeline(step, clf), batch_size=4)
        outside = case.query(X=X, clf=clf, batch_size=4)
    np.testing.assert_array_equal(inside, outside)
    if case.is_image or case.uses_classifier or not hasattr(case.template, "_needs"):
        return
    plain = make_pipeline(step, LogisticRegression())  # it has no embeddings
    with order_by_position():
        inside = case.query(clf=plain, batch_size=4)
        by_inputs = case.query(X=X, clf=None, batch_size=4)
    np.testing.assert_array_equal(inside, by_inputs)


@_check
def check_rows_of_other_kinds(case: Case) -> None:
    """Texts that a Pipeline makes vectors of are picked as vectors are.

    However they are stored, and whether candidates are positions or texts.
    """
    if not getattr(case.template, "_needs", None):
        return
    if getattr(case.template, "_changes_inputs", False):  # texts have no noise
        return
    names = np.array([f"row {n}" for n in range(len(case.X))], dtype=object)

    def look_up(texts: NDArray[Any]) -> NDArray[np.float32]:
        return case.X[[int(text.split()[1]) for text in texts]]

    clf = make_pipeline(FunctionTransformer(look_up), case.classifier())
    picks = case.query(X=names, clf=clf, batch_size=4)
    order = np.random.default_rng(0).permutation(len(names))
    its = case.query(X=names[order], y=case.y[order], clf=clf, batch_size=4)
    np.testing.assert_array_equal(picks, order[its])
    rows = np.flatnonzero(case.y == -1)
    by_input = case.query(X=names, clf=clf, candidates=names[rows], batch_size=4)
    np.testing.assert_array_equal(picks, rows[by_input])


def _stretched(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows that are five times as far apart along one direction."""
    flat = X.reshape(len(X), -1).astype(np.float64)
    direction = np.sin(np.arange(1, flat.shape[1] + 1))
    along = (flat @ direction) / (direction @ direction)
    return (flat + 4 * along[:, None] * direction).reshape(X.shape).astype(np.float32)


@_check
def check_malformed_weights(case: Case) -> None:
    """Weights of another length, or that are no weights, are refused by name."""
    n = len(case.X)
    malformed: list[Any] = [
        np.ones(5),
        np.ones(n + 1),
        np.ones((n, 1)),
        np.full(n, np.nan),
        np.full(n, np.inf),
        -np.ones(n),
        np.full(n, "a"),
        2.0,
    ]
    for wrong in malformed:
        must_raise(case, ValueError, "sample_weight", sample_weight=wrong)


@_check
def check_junk_classifiers(case: Case) -> None:
    """What is no classifier is refused, also where a strategy could do without."""
    if "clf" not in inspect.signature(case.template.query).parameters:
        return
    clf = case.classifier()
    junk: tuple[Any, ...] = ("state", 3, {}, [clf], type(clf))
    for wrong in junk:
        must_raise(case, (TypeError, ValueError), "clf", clf=wrong)


@_check
def check_far_clusters(case: Case) -> None:
    """Inputs in single precision, in tight clusters far apart, are told apart."""
    if case.is_image or case.uses_classifier or not hasattr(case.template, "_needs"):
        return
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 8)) + 1e4 * (np.arange(60) % 2)[:, None]
    y = np.where(np.arange(60) < 8, np.arange(60) % 2, -1)
    X = X.astype(np.float32)
    (_, single), (_, double) = (
        case.query(X=rows, y=y, clf=None, batch_size=1, return_utilities=True)
        for rows in (X, X.astype(np.float64))
    )
    left = double[0][y == -1]
    slack = 1e-2 * (left.max() - left.min())
    np.testing.assert_allclose(single[0][y == -1], left, rtol=0, atol=slack)


@_check
def check_interrupts(case: Case) -> None:
    """Ctrl-C inside a model leaves the call, and everything as it was."""
    for fit_clf in (True, False):
        clf = case.classifier() if fit_clf else case.fitted()
        with _interrupted_at(None) as calls:
            expected = case.query(clf=clf, fit_clf=fit_clf, batch_size=3).tolist()
        in_training = [n for n, is_training in enumerate(calls, 1) if is_training]
        some = {1, len(calls), *in_training[-1:]}
        for at in sorted(n for n in some if n <= len(calls)):
            before = _everything(case, clf)
            try:
                with _interrupted_at(at):
                    case.query(clf=clf, fit_clf=fit_clf, batch_size=3)
            except KeyboardInterrupt:
                pass
            else:
                expect(False, "an interrupt inside a module is lost")
            expect(_everything(case, clf) == before, "an interrupt leaves traces")
        again = case.query(clf=clf, fit_clf=fit_clf, batch_size=3).tolist()
        expect(again == expected, "after interrupts other rows are picked")


@contextmanager
def _interrupted_at(call: int | None) -> Iterator[list[bool]]:
    """Raise ``KeyboardInterrupt`` at the call of a module that has this number.

    Yields a list that grows with each call, by whether it belongs to a training.
    """
    calls, here = list[bool](), threading.get_ident()

    def count(module: nn.Module, _inputs: Any) -> None:
        if threading.get_ident() == here:
            calls.append(module.training and torch.is_grad_enabled())
            if len(calls) == call:
                raise KeyboardInterrupt

    handle = nn.modules.module.register_module_forward_pre_hook(count)
    try:
        yield calls
    finally:
        handle.remove()


def _everything(case: Case, clf: Any) -> list[Any]:
    """Return what a query that fails must not change."""
    nets = [net.module_ for net in getattr(clf, "nets_", [])]
    return [
        sorted(vars(clf)),
        [[part.training for part in net.modules()] for net in nets],
        [len(part._forward_pre_hooks) for net in nets for part in net.modules()],
        [v.tolist() for net in nets for v in net.state_dict().values()],
        case.X.tolist(),
        case.y.tolist(),
        *_generators(),
        torch.is_grad_enabled(),
        nn.Module.__call__,
        nn.Module.__getattr__,
    ]


def _generators() -> list[Any]:
    """Return the states of the global generators."""
    return [pickle.dumps(np.random.get_state()), torch.get_rng_state().tolist()]  # noqa: NPY002


@_check
def check_threads(case: Case) -> None:
    """Queries in three threads at a time answer as they do one after another."""
    clf, answers = case.fitted(), dict[int, Any]()
    queries = [{}, {"clf": clf, "fit_clf": False}, {"batch_size": 5}]
    expected = [case.query(**{"batch_size": 3, **query}).tolist() for query in queries]
    before = _generators()

    def ask(number: int) -> None:
        try:
            answers[number] = case.loud_query(**{"batch_size": 3, **queries[number]})
        except Exception as error:
            answers[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, picks in enumerate(expected):
        answer = answers[number]
        if isinstance(answer, Exception):
            raise AssertionError("a query fails beside others") from answer
        expect(list(answer) == picks, "a query picks other rows beside others")
    expect(before == _generators(), "global generators moved")


@_check
def check_storage_order_of_training(case: Case) -> None:
    """Permuted data give the same picks also where the query fits the model."""
    weight = np.linspace(1, 2, len(case.X))
    y = np.where(np.arange(len(case.X)) < 24, case.y_true, -1)  # two mini-batches
    for X in (case.X, _with_copies(case.X)):
        data = {"X": X, "y": y, "sample_weight": weight}
        picks, (first, *_) = case.query(**data, batch_size=4, return_utilities=True)
        order = np.random.default_rng(0).permutation(len(X))
        permuted = {name: array[order] for name, array in data.items()}
        its, (its_first, *_) = case.query(
            **permuted, batch_size=4, return_utilities=True
        )
        mine, theirs = first[order], its_first
        if X is not case.X:  # which of the copies has which rank is open
            mine, theirs = np.sort(mine), np.sort(theirs)
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(X[picks], X[order[its]])


def _with_copies(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of which two labelled ones are equal, though their labels differ."""
    X = X.copy()
    X[1] = X[0]
    X[-3:] = X[-1]
    return X
