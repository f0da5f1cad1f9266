"""Nets that learn classes, and which rows are labelled, from shared features."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from skal_deep.functional.variational import discriminator_loss
from skal_deep.modules._discriminator import Discriminator
from skal_deep.modules._rng import isolated_rng
from skal_deep.modules._standardizer import Standardizer, by_chunks
from skal_deep.modules._training import (
    Descent,
    train,
    two_pools,
)
from skal_deep.modules._vae import make_encoder

# Size of the features, the length of which is 1 where rows are told apart.
_N_FEATURES = 64
# Temperature of the cosine classifier of minimax learning.
_TEMPERATURE = 0.05


class JointSelector:
    """Features, classes and a discriminator that were trained together.

    :func:`train_joint_selector` and :func:`train_minimax_selector` return it, in eval
    mode.

    Parameters
    ----------
    backbone : nn.Module
        Makes features (N, F) of rows.
    head : nn.Module
        Makes logits (N, C) of features.
    discriminator : Discriminator
        Tells labelled rows by their features, scaled to length 1.
    scale : Standardizer
        Fitted to all rows.
    device : torch.device or str
        Device that holds the nets.

    See Also
    --------
    skal_deep.pool.JointSampling : Uses one.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        discriminator: Discriminator,
        scale: Standardizer,
        device: torch.device | str,
    ):
        self._backbone, self._head = backbone, head
        self._discriminator = discriminator
        self._scale, self._device = scale, device

    def novelty(self, X: NDArray[Any]) -> Tensor:
        """Return logits of "unlabelled", of shape (N,)."""
        return -by_chunks(
            lambda x: self._discriminator(normalize(self._backbone(x))),
            X,
            self._scale,
            self._device,
        )

    def proba(self, X: NDArray[Any]) -> Tensor:
        """Return class probabilities by the head, of shape (N, C)."""
        return by_chunks(
            lambda x: self._head(self._backbone(x)).softmax(1),
            X,
            self._scale,
            self._device,
        )


class CosineHead(nn.Module):
    """Logits by the cosines of features with weights, which are not scaled."""

    def __init__(self, n_features: int, n_classes: int):
        super().__init__()
        self.weights = nn.Linear(n_features, n_classes, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits of shape (N, C)."""
        logits: Tensor = self.weights(normalize(features)) / _TEMPERATURE
        return logits


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient has the other sign."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return -gradient


def minimax_entropy(features: Tensor, head: nn.Module) -> Tensor:
    """Return minus the mean entropy, whose gradient the features see reversed.

    A step down makes the head less certain and the features more so.

    Parameters
    ----------
    features : Tensor of shape (N, F)
        Features of unlabelled rows.
    head : nn.Module
        Makes logits (N, C) of features.
    """
    reversed_NF: Tensor = _Reversed.apply(features)
    log_proba_NC = head(reversed_NF).log_softmax(1)
    certainty: Tensor = (log_proba_NC.exp() * log_proba_NC).sum(1).mean()
    return certainty


def train_joint_selector(
    X_labeled: NDArray[Any],
    y_labeled: Tensor,
    X_unlabeled: NDArray[Any],
    *,
    discriminator_weight: float = 0.5,
    n_iterations: int = 300,
    batch_size: int = 64,
    lr: float = 5e-4,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    verbose: bool = False,
) -> JointSelector:
    """Train classes and the discriminator as one objective.

    Parameters
    ----------
    X_labeled : ndarray of shape (N, ...)
        Labelled rows, at least one.
    y_labeled : Tensor of shape (N,)
        Their classes, from 0.
    X_unlabeled : ndarray of shape (M, ...)
        Unlabelled rows, at least one.
    discriminator_weight : float, default=0.5
        Weight of the discriminator's loss beside the cross-entropy.
    n_iterations : int, default=300
        Number of steps.
    batch_size : int, default=64
        Rows of a mini-batch from each of the two pools.
    lr : float, default=5e-4
        Learning rate (Adam).
    generator : torch.Generator
        Source of initial weights and mini-batches; on the CPU.
    device : torch.device or str, default="cpu"
        Device to train and score on.
    verbose : bool, default=False
        Whether to show a progress bar.
    """
    start = _Start(X_labeled, y_labeled, X_unlabeled, batch_size, generator, device)
    backbone, discriminator = start.backbone, start.discriminator
    head = start.make(lambda n_classes: nn.Linear(_N_FEATURES, n_classes))
    everything = nn.ModuleList([backbone, head, discriminator])
    down = Descent(everything, lr)

    def step() -> None:
        x, y = start.both_pools()
        features = backbone(x)
        told = discriminator_loss(*discriminator(normalize(features)).chunk(2))
        loss = cross_entropy(head(features[: len(y)]), y) + discriminator_weight * told
        down.step(loss)

    train([everything], step, n_iterations, name="JointSampling", verbose=verbose)
    return JointSelector(backbone, head, discriminator, start.scale, device)


def train_minimax_selector(
    X_labeled: NDArray[Any],
    y_labeled: Tensor,
    X_unlabeled: NDArray[Any],
    *,
    entropy_weight: float = 0.1,
    n_iterations: int = 300,
    batch_size: int = 64,
    lr: float = 5e-4,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    verbose: bool = False,
) -> JointSelector:
    """Train features to be certain of unlabelled rows against a head that is not.

    The discriminator learns from the features without changing them.

    Parameters
    ----------
    X_labeled : ndarray of shape (N, ...)
        Labelled rows, at least one.
    y_labeled : Tensor of shape (N,)
        Their classes, from 0.
    X_unlabeled : ndarray of shape (M, ...)
        Unlabelled rows, at least one.
    entropy_weight : float, default=0.1
        Weight of the entropy beside the cross-entropy.
    n_iterations : int, default=300
        Number of steps.
    batch_size : int, default=64
        Rows of a mini-batch from each of the two pools.
    lr : float, default=5e-4
        Learning rate (Adam).
    generator : torch.Generator
        Source of initial weights and mini-batches; on the CPU.
    device : torch.device or str, default="cpu"
        Device to train and score on.
    verbose : bool, default=False
        Whether to show a progress bar.
    """
    start = _Start(X_labeled, y_labeled, X_unlabeled, batch_size, generator, device)
    backbone, discriminator = start.backbone, start.discriminator
    head = start.make(lambda n_classes: CosineHead(_N_FEATURES, n_classes))
    classifier = nn.ModuleList([backbone, head])
    down, down_discriminator = Descent(classifier, lr), Descent(discriminator, lr)

    def step() -> None:
        x, y = start.both_pools()
        features = backbone(x)
        certain = minimax_entropy(features[len(y) :], head)
        loss = cross_entropy(head(features[: len(y)]), y) + entropy_weight * certain
        down.step(loss)
        told = discriminator(normalize(features.detach()))
        down_discriminator.step(discriminator_loss(*told.chunk(2)))

    train([classifier, discriminator], step, n_iterations, name="MAL", verbose=verbose)
    return JointSelector(backbone, head, discriminator, start.scale, device)


class _Start:
    """What both trainings start from: mini-batches, features, a discriminator."""

    def __init__(
        self,
        X_labeled: NDArray[Any],
        y_labeled: Tensor,
        X_unlabeled: NDArray[Any],
        batch_size: int,
        generator: torch.Generator,
        device: torch.device | str,
    ):
        self.scale, self._labeled, self._unlabeled = two_pools(
            (X_labeled, y_labeled),
            [X_unlabeled],
            batch_size=batch_size,
            generator=generator,
            device=device,
        )
        self._n_classes, self._device = int(y_labeled.max()) + 1, device
        self._seed = int(torch.randint(2**31, (1,), generator=generator))
        with isolated_rng(self._seed):
            self.backbone = make_encoder(X_labeled.shape[1:], _N_FEATURES).to(device)
            self.discriminator = Discriminator(_N_FEATURES).to(device)

    def make(self, head: Any) -> nn.Module:
        """Return a head for the classes."""
        with isolated_rng(self._seed + 1):
            made: nn.Module = head(self._n_classes).to(self._device)
        return made

    def both_pools(self) -> tuple[Tensor, Tensor]:
        """Return rows of both pools, the labelled ones first, and their classes."""
        x_labeled, y = next(self._labeled)
        return torch.cat([x_labeled, next(self._unlabeled)[0]]), y
