"""What a strategy may ask of a classifier, one method each."""

from typing import Protocol, runtime_checkable

from numpy.typing import ArrayLike
from torch import Tensor


class CapabilityError(TypeError):
    """A classifier cannot answer what it is asked for."""


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
class Embeds(Protocol):
    """Learned features."""

    def embed(self, X: ArrayLike) -> Tensor:
        """Return the input of the last linear layer, of shape (N, D)."""


@runtime_checkable
class PredictsEvidence(Protocol):
    """Evidence: a Dirichlet distribution of the class probabilities of each row."""

    def predict_evidence(self, X: ArrayLike) -> Tensor:
        """Return evidence of shape (N, C), at least 0; concentrations less 1."""


# What to tell a user whose classifier lacks a capability.
REMEDIES: dict[type, str] = {
    PredictsProba: "Pass a classifier with `predict_proba`.",
    SamplesProba: (
        "Pass a classifier with a posterior: MCDropoutClassifier, "
        "DeepEnsembleClassifier, a random forest or bagging."
    ),
    Embeds: "Pass a neural net: DeepClassifier or a skorch net.",
    PredictsEvidence: "Pass an EvidentialClassifier.",
}


def method_name(capability: type) -> str:
    """Return the name of the one method of a capability."""
    return next(name for name in vars(capability) if not name.startswith("_"))
