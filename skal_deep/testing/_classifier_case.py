"""A classifier, and data to check it with."""

import pickle
import random
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from skactiveml.utils import is_labeled
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
class ModelCase(ABC):
    """A model, and data to check it with.

    Attributes
    ----------
    template : object
        The model, not fitted; it is cloned for each fit.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y_true : ndarray of shape (n_samples,)
        Their labels: 0, 1, 2 and so on, or numbers to predict.
    """

    template: Any
    X: Any
    y_true: NDArray[Any]

    missing: ClassVar[Any] = -1
    question: ClassVar[str] = "predict_proba"

    @abstractmethod
    def predict(self, model: Any, X: Any = None) -> NDArray[Any]:
        """Return what a fitted model says of rows, those of the case where none is."""

    @abstractmethod
    def answers(self, model: Any) -> dict[str, Callable[[Any], NDArray[Any]]]:
        """Return what may be asked for rows, each answer with the rows on axis 0."""

    @property
    def y(self) -> NDArray[Any]:
        """The labels of the first two thirds, missing after that."""
        n_labeled = min(_N_LABELED, 2 * len(self.y_true) // 3)
        known = np.arange(len(self.y_true)) < n_labeled
        return np.where(known, self.y_true, self.missing)

    @property
    def takes_missing_labels(self) -> bool:
        """Whether rows without a label may be handed in."""
        return "missing_label" in self.template.get_params(deep=False)

    def classifier(self, **params: Any) -> Any:
        """Return a model that is not fitted."""
        clf, known = clone(self.template), self.template.get_params(deep=False)
        if "random_state" in known:
            params = {"random_state": 0, **params}
        return clf.set_params(**{k: v for k, v in params.items() if k in known})

    def fit(self, clf: Any = None, X: Any = None, y: Any = None) -> Any:
        """Return the model, fitted to what is known, with warnings suppressed."""
        clf = self.classifier() if clf is None else clf
        X, y = self.X if X is None else X, self.y if y is None else y
        if not self.takes_missing_labels:
            known = np.flatnonzero(is_labeled(np.asarray(y), self.missing))
            X, y = X[known], y[known]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return clf.fit(X, y)

    @cached_property
    def fitted(self) -> Any:
        """A model that is fitted to what is known, and used by several checks."""
        return self.fit()

    @cached_property
    def predicted(self) -> NDArray[Any]:
        """What it says of all rows."""
        return self.predict(self.fitted)

    def modules(self, clf: Any) -> list[nn.Module]:
        """Return the modules inside a fitted model."""
        nets = [*getattr(clf, "nets_", [])]
        nets += [clf] if hasattr(clf, "module_") else []
        return [part for net in nets for part in net.module_.modules()]


class ClassifierCase(ModelCase):
    """A classifier, and data to check it with; see :class:`ModelCase`."""

    def predict(self, model: Any, X: Any = None) -> NDArray[Any]:
        """Return the probabilities that a fitted classifier gives rows."""
        return np.asarray(model.predict_proba(self.X if X is None else X))

    @property
    def proba_NC(self) -> NDArray[Any]:
        """Its probabilities for all rows."""
        return self.predicted

    def answers(self, model: Any) -> dict[str, Callable[[Any], NDArray[Any]]]:
        """Return what may be asked for rows, each answer with the rows on axis 0."""
        asked: Any = as_model(model)
        found: dict[str, Callable[[Any], NDArray[Any]]] = {
            "predict_proba": lambda X: np.asarray(model.predict_proba(X))
        }
        if isinstance(asked, SamplesProba):
            found["sample_proba"] = lambda X: rows_first(asked.sample_proba(X, 8, 7))
        if hasattr(asked, "embed"):
            found["embed"] = lambda X: asked.embed(X).numpy(force=True)
        return found


def rows_first(draws_SNC: Any) -> NDArray[Any]:
    """Return draws (S, N, ...) with the rows on axis 0."""
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
