"""Small nets by name, on features or on the pixels of images."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skal_deep.classifier import LaplaceRegressor, MCDropoutClassifier
from skal_deep.modules import MLP, ConvNet


class Reshape(TransformerMixin, BaseEstimator):
    """Give each row a shape, such as that of an image.

    Parameters
    ----------
    shape : tuple of int
        The shape of one row.
    """

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    def fit(self, X: Any, y: Any = None) -> "Reshape":  # noqa: ARG002 as in scikit-learn
        """Learn nothing."""
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the rows in their shape."""
        return np.asarray(X).reshape(len(X), *self.shape)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def net_classifier(
    is_conv: bool,
    *,
    dropout: float = 0.25,
    epochs: int = 80,
    lr: float = 0.003,
    n_samples: int = 50,
    device: str = "cpu",
) -> MCDropoutClassifier:
    """Return a small net with dropout, which is its posterior.

    Parameters
    ----------
    is_conv : bool
        Whether it is for images, (n, c, h, w), or for vectors.
    dropout : float, default=0.25
        Share of units dropped.
    epochs : int, default=80
        Passes through the labels in a training.
    lr : float, default=0.003
        Learning rate of Adam.
    n_samples : int, default=50
        Monte Carlo samples of a prediction.
    device : str, default="cpu"
        Where torch computes.
    """
    settings = _settings(is_conv, dropout, epochs, lr, device)
    net = NeuralNetClassifier(**settings, criterion=nn.CrossEntropyLoss)
    return MCDropoutClassifier(net, n_samples=n_samples)


def _settings(
    is_conv: bool, dropout: float, epochs: int, lr: float, device: str
) -> dict[str, Any]:
    """Return what nets of classes and of numbers have in common."""
    return {
        "module": ConvNet if is_conv else MLP,
        "module__dropout": dropout,
        "optimizer": torch.optim.Adam,
        "lr": lr,
        "max_epochs": epochs,
        "batch_size": 32,
        "iterator_train__shuffle": True,
        "iterator_valid__batch_size": 512,
        "train_split": None,
        "verbose": 0,
        "device": device,
    }


def net_regressor(
    is_conv: bool,
    n_outputs: int = 1,
    *,
    dropout: float = 0.25,
    epochs: int = 80,
    lr: float = 0.003,
    n_samples: int = 50,
    noise: float | str = "evidence",
    device: str = "cpu",
) -> Any:
    """Return a small net for numbers, with the exact posterior of its last layer.

    Vectors are standardised first: targets hang on the scale of inputs more than
    classes do.

    Parameters
    ----------
    is_conv : bool
        Whether it is for images, (n, c, h, w), or for vectors.
    n_outputs : int, default=1
        Number of targets.
    dropout : float, default=0.25
        Share of units dropped.
    epochs : int, default=80
        Passes through the labels in a training.
    lr : float, default=0.003
        Learning rate of Adam.
    n_samples : int, default=50
        Posterior draws where none are asked for.
    noise : float or str, default="evidence"
        As of :class:`LaplaceRegressor`. Picks need no more than the noise by evidence;
        intervals do.
    device : str, default="cpu"
        Where torch computes.
    """
    settings = _settings(is_conv, dropout, epochs, lr, device)
    net = NeuralNetRegressor(**settings, module__n_classes=n_outputs)
    reg = LaplaceRegressor(net, n_samples=n_samples, noise=noise)
    return reg if is_conv else make_pipeline(StandardScaler(), reg)


def on_pixels(shape: list[int]) -> Any:
    """Return a net for images that are held as rows of pixels.

    Parameters
    ----------
    shape : list of int
        Shape of an image: channels, height, width.
    """
    return make_pipeline(Reshape(tuple(shape)), net_classifier(is_conv=True))
