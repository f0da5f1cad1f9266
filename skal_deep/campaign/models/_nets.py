"""Small nets by name, on features or on the pixels of images."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from skorch import NeuralNetClassifier
from torch import nn

from skal_deep.classifier import MCDropoutClassifier
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
    net = NeuralNetClassifier(
        ConvNet if is_conv else MLP,
        module__dropout=dropout,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=lr,
        max_epochs=epochs,
        batch_size=32,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=512,
        train_split=None,
        verbose=0,
        device=device,
    )
    return MCDropoutClassifier(net, n_samples=n_samples)


def on_pixels(shape: list[int]) -> Any:
    """Return a net for images that are held as rows of pixels.

    Parameters
    ----------
    shape : list of int
        Shape of an image: channels, height, width.
    """
    return make_pipeline(Reshape(tuple(shape)), net_classifier(is_conv=True))
