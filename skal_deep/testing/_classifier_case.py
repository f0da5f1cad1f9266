"""A classifier, and data to check it with."""

import pickle
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import make_blobs
from torch import nn

from skal_deep.classifier import SamplesProba, as_model

_N_ROWS = 48
_N_LABELED = 32
_N_FEATURES = 6
# Equal rows in mini-batches of other sizes differ by round-off.
ROUND_OFF = 1e-4


def must_raise(call: Callable[[], Any], kinds: Any, message: str) -> BaseException:
    """Return the error of a call that must fail in one of some ways."""
    try:
        call()
    except kinds as error:
        return error
    raise AssertionError(message)


def small_vectors() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return rows of three clusters, and their clusters."""
    X, y = make_blobs(_N_ROWS, _N_FEATURES, centers=3, random_state=0)
    return X.astype(np.float32), y


@dataclass
class ClassifierCase:
    """A classifier, and data to check it with.

    Attributes
    ----------
    template : object
        The classifier, not fitted; it is cloned for each fit.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y_true : ndarray of shape (n_samples,)
        Their labels: 0, 1, 2 and so on.
    """

    template: Any
    X: Any
    y_true: NDArray[np.int64]

    @property
    def y(self) -> NDArray[np.int64]:
        """The labels of the first two thirds, -1 after that."""
        n_labeled = min(_N_LABELED, 2 * len(self.y_true) // 3)
        return np.where(np.arange(len(self.y_true)) < n_labeled, self.y_true, -1)

    @property
    def takes_missing_labels(self) -> bool:
        """Whether rows without a label may be handed in."""
        return "missing_label" in self.template.get_params(deep=False)

    def classifier(self, **params: Any) -> Any:
        """Return a classifier that is not fitted."""
        clf, known = clone(self.template), self.template.get_params(deep=False)
        if "random_state" in known:
            params = {"random_state": 0, **params}
        return clf.set_params(**{k: v for k, v in params.items() if k in known})

    def fit(self, clf: Any = None, X: Any = None, y: Any = None) -> Any:
        """Return the classifier, fitted to what is known, with warnings suppressed."""
        clf = self.classifier() if clf is None else clf
        X, y = self.X if X is None else X, self.y if y is None else y
        if not self.takes_missing_labels:
            known = np.flatnonzero(np.asarray(y) != -1)
            X, y = X[known], y[known]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return clf.fit(X, y)

    @cached_property
    def fitted(self) -> Any:
        """A classifier that is fitted to what is known, and used by several checks."""
        return self.fit()

    @cached_property
    def proba_NC(self) -> NDArray[Any]:
        """Its probabilities for all rows."""
        return np.asarray(self.fitted.predict_proba(self.X))

    def answers(self, clf: Any) -> dict[str, Callable[[Any], NDArray[Any]]]:
        """Return what may be asked for rows, each answer with the rows on axis 0."""
        model: Any = as_model(clf)
        found: dict[str, Callable[[Any], NDArray[Any]]] = {
            "predict_proba": lambda X: np.asarray(clf.predict_proba(X))
        }
        if isinstance(model, SamplesProba):
            found["sample_proba"] = lambda X: _rows_first(model.sample_proba(X, 8, 7))
        if hasattr(model, "embed"):
            found["embed"] = lambda X: model.embed(X).numpy(force=True)
        return found

    def modules(self, clf: Any) -> list[nn.Module]:
        """Return the modules inside a fitted classifier."""
        nets = [*getattr(clf, "nets_", [])]
        nets += [clf] if hasattr(clf, "module_") else []
        return [part for net in nets for part in net.module_.modules()]


def _rows_first(draws_SNC: Any) -> NDArray[Any]:
    return np.moveaxis(torch.as_tensor(draws_SNC).numpy(force=True), 0, 1)


def generator_states() -> list[bytes]:
    """Return the states of the global generators of Python, NumPy and torch."""
    return [
        pickle.dumps(random.getstate()),
        pickle.dumps(np.random.get_state()),  # noqa: NPY002
        torch.get_rng_state().numpy().tobytes(),
    ]


@contextmanager
def interrupted_at(n_calls: int) -> Iterator[list[int]]:
    """Raise ``KeyboardInterrupt`` in the n-th call of any module inside the block."""
    count = [0]

    def interrupt(*_: Any) -> None:
        count[0] += 1
        if count[0] == n_calls:
            raise KeyboardInterrupt

    handle = nn.modules.module.register_module_forward_pre_hook(interrupt)
    try:
        yield count
    finally:
        handle.remove()
