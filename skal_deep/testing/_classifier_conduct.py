"""What every classifier must leave alone, and what it must withstand."""

import copy
import pickle
import subprocess
import sys
import tempfile
import threading
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

from skal_deep.testing._classifier_case import (
    ROUND_OFF,
    ModelCase,
    generator_states,
    interrupted_at,
    must_raise,
)
from skal_deep.testing._classifier_checks import check as _check
from skal_deep.testing._promises import expect

# Loads a classifier and rows, and stores its probabilities.
_LOADER = """
import pickle, sys
stored, result, question, n_threads, *paths = sys.argv[1:]
sys.path[:0] = paths
import numpy as np, torch
torch.set_num_threads(int(n_threads))
with open(stored, "rb") as file:
    clf, X = pickle.load(file)
np.save(result, getattr(clf, question)(X))
"""


@_check
def check_what_is_not_fitted(case: ModelCase) -> None:
    """Nothing is answered before ``fit``, and the error says so."""
    must_raise(
        lambda: case.predict(case.classifier()),
        NotFittedError,
        "predicting before fit raises no NotFittedError",
    )


@_check
def check_inputs_untouched(case: ModelCase) -> None:
    """Fitting leaves data, labels and parameters as they were."""
    X, y = copy.deepcopy(case.X), case.y.copy()
    clf = case.classifier()
    before = {name: id(value) for name, value in clf.get_params(deep=False).items()}
    nested = {k: id(v) for k, v in clf.get_params().items() if isinstance(v, nn.Module)}
    case.fit(clf, X, y)
    case.predict(clf, X)
    after = {name: id(value) for name, value in clf.get_params(deep=False).items()}
    expect(before == after, "fit changes parameters")
    now = {k: id(v) for k, v in clf.get_params().items() if isinstance(v, nn.Module)}
    expect(nested == now, "fit replaces modules among the parameters")
    expect(np.array_equal(np.asarray(X), np.asarray(case.X)), "X was changed")
    is_number = y.dtype.kind == "f"
    expect(np.array_equal(y, case.y, equal_nan=is_number), "y was changed")


@_check
def check_asking_changes_nothing(case: ModelCase) -> None:
    """Weights, modes and hooks are the same after every question."""
    clf = case.fit()
    parts = case.modules(clf)

    def state() -> list[Any]:
        return [
            (
                part.training,
                len(part._forward_hooks),
                len(part._forward_pre_hooks),
                {name: value.clone() for name, value in part.state_dict().items()},
            )
            for part in parts
        ]

    before, answers = state(), case.answers(clf)
    first = {name: ask(case.X) for name, ask in answers.items()}
    for (mode, hooks, pre_hooks, weights), now in zip(before, state(), strict=True):
        expect(mode == now[0], "a layer is left in another mode (train or eval)")
        expect((hooks, pre_hooks) == now[1:3], "hooks are left on a layer")
        same = all(torch.equal(value, now[3][name]) for name, value in weights.items())
        expect(same, "asking changes weights or buffers")
    for name, ask in answers.items():
        expect(np.array_equal(ask(case.X), first[name]), f"{name} changes when asked")


def _zero(module: nn.Module, args: Any, output: Any) -> Any:  # noqa: ARG001
    return output * 0


@_check
def check_hooks_of_the_caller(case: ModelCase) -> None:
    """Forward hooks on the net are called, and what they return counts."""
    clf = case.fit()
    nets = getattr(clf, "nets_", [])
    if not nets:
        return
    before = case.predict(clf)
    handles = [net.module_.register_forward_hook(_zero) for net in nets]
    try:
        for name, ask in case.answers(clf).items():
            if name == "embed":
                continue
            answer = ask(case.X)
            flat = np.allclose(answer, answer[:1], atol=ROUND_OFF)
            expect(bool(flat), f"{name} ignores a hook on the net")
    finally:
        for handle in handles:
            handle.remove()
    after = case.predict(clf)
    expect(np.array_equal(before, after), "a hook that was removed still counts")


@_check
def check_copies(case: ModelCase) -> None:
    """``clone``, ``copy`` and ``pickle`` keep what they should."""
    clf = case.fitted
    expect(
        clone(clf).get_params().keys() == clf.get_params().keys(), "clone loses a param"
    )
    must_raise(lambda: case.predict(clone(clf)), NotFittedError, "a clone is fitted")
    for made in (copy.deepcopy(clf), pickle.loads(pickle.dumps(clf))):
        same = np.array_equal(case.predict(made), case.predicted)
        expect(bool(same), "a copy predicts otherwise")


@_check
def check_pickles_in_a_fresh_process(case: ModelCase) -> None:
    """Another process that loads the fitted classifier predicts the same."""
    with tempfile.TemporaryDirectory() as folder:
        stored, result = Path(folder, "classifier.pkl"), Path(folder, "proba.npy")
        stored.write_bytes(pickle.dumps((case.fitted, case.X)))
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                _LOADER,
                str(stored),
                str(result),
                case.question,
                str(torch.get_num_threads()),
                *sys.path,
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        last = done.stderr.strip().splitlines()[-1:]
        expect(done.returncode == 0, f"a fresh process cannot load it: {last}")
        found = np.load(result)
    expect(np.array_equal(found, case.predicted), "a fresh process predicts otherwise")


@_check
def check_interrupts(case: ModelCase) -> None:
    """Ctrl-C leaves ``fit`` and every question at once, and nothing half done stays."""
    clf = case.fit()
    if not case.modules(clf):
        return
    before = {name: ask(case.X) for name, ask in case.answers(clf).items()}
    with interrupted_at(0) as count:
        case.fit()
    n_calls = count[0]
    for at in sorted({1, 2, n_calls // 3, n_calls // 2, n_calls}):
        states = generator_states()
        with interrupted_at(max(1, at)):
            must_raise(lambda: case.fit(clf), KeyboardInterrupt, "fit swallows Ctrl-C")
        expect(generator_states() == states, "Ctrl-C in fit moves a global generator")
        for name, ask in case.answers(clf).items():
            same = np.array_equal(ask(case.X), before[name])
            expect(bool(same), f"after Ctrl-C in a second fit {name} is another")
    for name, ask in case.answers(clf).items():
        for at in (1, 3):
            with interrupted_at(at) as count:
                try:
                    ask(case.X)
                except KeyboardInterrupt:
                    pass
                else:
                    expect(count[0] < at, f"{name} swallows Ctrl-C")
            same = np.array_equal(ask(case.X), before[name])
            expect(bool(same), f"after Ctrl-C {name} is another")
    fresh = case.classifier()
    with interrupted_at(2):
        must_raise(lambda: case.fit(fresh), KeyboardInterrupt, "fit swallows Ctrl-C")
    must_raise(
        lambda: case.predict(fresh),
        NotFittedError,
        "a model whose fit was interrupted predicts",
    )


@_check
def check_a_fit_that_fails(case: ModelCase) -> None:
    """After a fit that fails, a classifier is the one it was before."""
    clf = case.fit()
    before = {name: ask(case.X) for name, ask in case.answers(clf).items()}
    classes = list(getattr(clf, "classes_", []))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        must_raise(
            lambda: clf.fit(case.X, case.y[:-1]),
            ValueError,
            "unequal lengths are taken",
        )
        must_raise(
            lambda: clf.fit(np.full(np.shape(case.X), np.nan, np.float32), case.y),
            Exception,
            "inputs of NaN are taken",
        )
    expect(
        list(getattr(clf, "classes_", [])) == classes,
        "a fit that failed changes classes_",
    )
    for name, ask in case.answers(clf).items():
        same = np.array_equal(ask(case.X), before[name])
        expect(bool(same), f"after a fit that failed {name} is another")


@_check
def check_threads(case: ModelCase) -> None:
    """Questions and fits from several threads are answered as from one."""
    clf = case.fitted
    expected = {name: ask(case.X) for name, ask in case.answers(clf).items()}
    states, wrong = generator_states(), []

    def work(is_fit: bool) -> None:
        try:
            own = case.fit() if is_fit else clf
            for name, ask in case.answers(own).items():
                if not np.array_equal(ask(case.X), expected[name]):
                    wrong.append(f"{name} is another in a thread")
        except Exception as error:
            wrong.append(f"{type(error).__name__} in a thread: {error}")

    threads = [threading.Thread(target=work, args=(at == 0,)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(not wrong, "; ".join(dict.fromkeys(wrong)))
    expect(generator_states() == states, "threads move a global generator")


@_check
def check_wrong_arguments(case: ModelCase) -> None:
    """Wrong weights and rows of another shape are refused."""
    if not case.takes_missing_labels:
        return
    clf, ones = case.classifier(), np.ones(len(case.y))
    nan, negative = ones.copy(), -ones
    nan[0] = np.nan
    for weight, name in ((ones[:-1], "too few"), (nan, "NaN"), (negative, "negative")):
        must_raise(
            partial(clf.fit, case.X, case.y, sample_weight=weight),
            (ValueError, TypeError),
            f"weights that are {name} are taken",
        )
    X = np.asarray(case.X)
    if X.ndim == 2 and X.dtype.kind == "f":
        must_raise(
            lambda: case.predict(case.fitted, X[:, :-1]),
            ValueError,
            "rows with fewer features are taken",
        )


@_check
def check_feature_names(case: ModelCase) -> None:
    """Columns in another order than at ``fit`` are refused, or read by name."""
    X = np.asarray(case.X)
    try:
        import pandas as pd
    except ImportError:
        return
    if X.ndim != 2 or X.dtype.kind != "f" or not case.takes_missing_labels:
        return
    names = [f"x{at}" for at in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names)
    clf = case.fit(X=frame)
    expect(
        list(getattr(clf, "feature_names_in_", [])) == names,
        "feature_names_in_ is wrong",
    )
    straight = case.predict(clf, frame)
    try:
        mixed = case.predict(clf, frame[names[::-1]])
    except ValueError:
        return
    expect(np.allclose(mixed, straight), "columns are read by position")
