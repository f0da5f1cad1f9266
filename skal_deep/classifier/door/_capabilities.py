"""What a strategy may ask of a classifier, one method each."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from numpy.typing import ArrayLike
from torch import Tensor


@runtime_checkable
class PredictsProba(Protocol):
    """Class probabilities."""

    def predict_proba(self, X: ArrayLike) -> Tensor:
        """Return probabilities of shape (N, C)."""


@runtime_checkable
class SamplesProba(Protocol):
    """Coupled draws of the class probabilities from a posterior."""

    def sample_proba(
        self, X: ArrayLike, n_samples: int | None = None, random_state: int = 0
    ) -> Tensor:
        """Return draws of shape (S, N, C); a draw is one model for all rows."""


@runtime_checkable
class PredictsEvidence(Protocol):
    """Evidence for each class."""

    def predict_evidence(self, X: ArrayLike) -> Tensor:
        """Return evidence >= 0 of shape (N, C); 0 is none."""


@runtime_checkable
class Embeds(Protocol):
    """Learned features."""

    def embed(self, X: ArrayLike) -> Tensor:
        """Return the input of the last linear layer, of shape (N, D)."""


@runtime_checkable
class HasLinearHead(Protocol):
    """A linear last layer."""

    def linear_head(self, X: ArrayLike) -> tuple[Tensor, Tensor]:
        """Return weights (C, D) and biases (C,) that make logits of embeddings of X."""


@runtime_checkable
class HasSlopes(Protocol):
    """Derivatives of the outputs by the inputs."""

    def jacobian(self, X: ArrayLike, n_features: int, seed: int) -> Tensor:
        """Return derivatives, or sketches of them, of shape (N, n_features or less)."""


@runtime_checkable
class HasWeightGradients(Protocol):
    """Gradients by the weights of all linear layers."""

    def weight_gradients(self, X: ArrayLike, n_features: int, seed: int) -> Tensor:
        """Return gradients, or sketches of them, of shape (N, n_features or less).

        Those of a classifier's cross-entropy of the most probable label, or of a
        regressor's outputs.
        """


@runtime_checkable
class PredictsLogits(Protocol):
    """Differentiable logits."""

    def differentiable_logits(
        self, X: ArrayLike
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return rows as the net sees them, (N, ...), and a function of such rows.

        The function returns logits (N, C), up to a constant for each row.
        """


@runtime_checkable
class MeasuresGradients(Protocol):
    """Lengths of the gradients that labels would cause."""

    def gradient_lengths(self, X: ArrayLike, words: bool = False) -> Tensor:
        """Return lengths of shape (N, W, C), of all weights or of W words."""


# What to tell a user whose classifier lacks a capability.
REMEDIES: dict[type, str] = {
    PredictsProba: "Pass a classifier with `predict_proba`.",
    SamplesProba: (
        "Pass a classifier with a posterior: MCDropoutClassifier, "
        "DeepEnsembleClassifier, a random forest or bagging."
    ),
    PredictsEvidence: "Pass an EvidentialClassifier.",
    Embeds: "Pass a neural net: DeepClassifier or a skorch net.",
    HasLinearHead: (
        "Pass a single net, as DeepClassifier, or a linear classifier of scikit-learn."
    ),
    HasSlopes: "Pass a neural net: DeepClassifier or a skorch net.",
    HasWeightGradients: "Pass a neural net: DeepClassifier or a skorch net.",
    PredictsLogits: "Pass a neural net: DeepClassifier or a skorch net.",
    MeasuresGradients: "Pass a neural net: DeepClassifier or a skorch net.",
}


def method_name(capability: type) -> str:
    """Return the name of the one method of a capability."""
    return next(name for name in vars(capability) if not name.startswith("_"))


# The methods that a strategy may ask for.
CAPABILITIES: tuple[str, ...] = tuple(method_name(need) for need in REMEDIES)
