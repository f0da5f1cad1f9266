"""A strategy, data and a classifier to check it with."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skactiveml.utils import call_func
from sklearn.base import clone
from sklearn.datasets import make_blobs
from skorch import NeuralNetClassifier
from torch import nn

from skal_deep.classifier import MCDropoutClassifier
from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.modules import MLP, ConvNet

_N_ROWS = 36
_N_LABELED = 8


def small_classifier(
    is_image: bool, missing_label: Any = -1, classes: Any = (0, 1, 2)
) -> Any:
    """Return a classifier that offers everything and is fitted in a moment.

    Parameters
    ----------
    is_image : bool
        Whether it takes images.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    classes : array-like, default=(0, 1, 2)
        All classes.
    """
    net = NeuralNetClassifier(
        ConvNet if is_image else MLP,
        module__n_hidden=16,
        module__dropout=0.3,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=5,
        batch_size=16,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    return MCDropoutClassifier(
        net,
        n_samples=8,
        classes=list(classes),
        missing_label=missing_label,
        random_state=0,
    )


def small_data(is_image: bool) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return three clusters, as points of the plane or as images of 8 x 8 pixels."""
    X, y = make_blobs(_N_ROWS, centers=3, random_state=0)
    if is_image:
        noise = np.random.default_rng(0).normal(size=(_N_ROWS, 1, 8, 8))
        X = noise + X[:, :1, None, None] * np.linspace(-1, 1, 8)
    return X.astype(np.float32), y


@dataclass
class Case:
    """A strategy, data and a classifier to check it with.

    Attributes
    ----------
    template : QueryStrategy
        The strategy; it is cloned for each query.
    is_image : bool
        Whether the data are images.
    make_classifier : callable
        ``make_classifier(is_image, missing_label, classes)`` returns an unfitted
        classifier that offers what the strategy needs.
    X, y_true, y : ndarray
        Inputs, all labels, and those that are known (-1 elsewhere).
    """

    template: Any
    is_image: bool = False
    make_classifier: Callable[..., Any] = small_classifier
    X: NDArray[np.float32] = field(init=False)
    y_true: NDArray[np.int64] = field(init=False)
    y: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.X, self.y_true = small_data(self.is_image)
        self.y = np.where(np.arange(_N_ROWS) < _N_LABELED, self.y_true, -1)

    @property
    def uses_classifier(self) -> bool:
        """Whether the strategy cannot do without a classifier."""
        needs = getattr(self.template, "_needs", (object,))
        return bool(needs) and not getattr(self.template, "_works_on_inputs", False)

    def strategy(self, missing_label: Any = -1, random_state: Any = 0) -> Any:
        """Return a clone of the strategy."""
        return clone(self.template).set_params(
            missing_label=missing_label, random_state=random_state
        )

    def classifier(self, missing_label: Any = -1, classes: Any = (0, 1, 2)) -> Any:
        """Return an unfitted classifier."""
        return self.make_classifier(self.is_image, missing_label, classes)

    def fitted(self) -> Any:
        """Return a classifier that is fitted to the known labels."""
        return fit_on_labeled(self.classifier(), self.X, self.y)

    def query(self, strategy: Any = None, **change: Any) -> Any:
        """Query with warnings suppressed; arguments replace those of the case."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.loud_query(strategy, **change)

    def loud_query(self, strategy: Any = None, **change: Any) -> Any:
        """Query; arguments replace those of the case."""
        strategy = self.strategy() if strategy is None else strategy
        arguments = {"X": self.X, "y": self.y, "rounds": [], **change}
        if "clf" not in arguments:
            arguments["clf"] = self.classifier()
        clf = arguments["clf"]
        fit_clf = arguments.setdefault("fit_clf", True)
        arguments |= {
            "ensemble": clf,
            "estimator": clf,
            "discriminator": clf,
            "fit_ensemble": fit_clf,
            "fit_estimator": fit_clf,
        }
        return call_func(strategy.query, **arguments)
