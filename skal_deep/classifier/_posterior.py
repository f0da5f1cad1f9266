"""Classifiers whose prediction is the mean over draws from a posterior."""

from abc import ABC, abstractmethod
from functools import partial
from numbers import Integral
from typing import Any

import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet
from torch import Tensor

from skal_deep._modes import cpu_by_default
from skal_deep.classifier._base import (
    NetClassifier,
    as_seed,
    check_number_of_draws,
    derived_seed,
)
from skal_deep.classifier._deep import DeepClassifier
from skal_deep.classifier.net._answers import net_answer, net_proba, with_embeddings
from skal_deep.classifier.net._compiled import with_attributes
from skal_deep.exceptions import CapabilityError

# Predictions of many rows are made of the draws for some of them at a time: a draw for
# so many numbers, 4 MiB in float32.
_NUMBERS_OF_A_DRAW = 2**20


class MeanOfDraws(ABC):
    """A classifier whose prediction is the mean over draws from a posterior.

    A subclass says where the draws come from.
    """

    seed_: int
    classes_: NDArray[Any]
    _check_rows: Any

    @abstractmethod
    def _draw(self, X: NDArray[Any], n_samples: int | None, seed: int) -> Tensor:
        """Return coupled draws of the class probabilities as a tensor (S, N, C)."""

    @abstractmethod
    def _sites(self) -> list[str]:
        """Describe what differs from draw to draw."""

    def _draws(
        self, X: NDArray[Any], n_samples: int | None = None, random_state: int = 0
    ) -> Tensor:
        """Return draws by the protocol's own arguments."""
        return self._draw(X, n_samples, random_state)

    @cpu_by_default()
    def sample_proba(self, X, n_samples=None, random_state=None):
        """Return class probabilities under draws from the posterior.

        Draws are coupled: draw s is one network for all rows, whatever the size of
        the mini-batches and however a pool is cut into chunks.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        n_samples : int, default=None
            Number of draws; ``None`` is the classifier's own number. Ensembles have
            their members for draws, and return all of them.
        random_state : int, RandomState or None, default=None
            Seed of the draws; ``None`` gives the draws that ``predict_proba``
            averages.

        Returns
        -------
        ndarray of shape (n_draws, n_samples, n_classes)
            Probabilities.
        """
        check_number_of_draws(n_samples)
        X = self._check_rows(X)
        seed = self._draw_seed() if random_state is None else as_seed(random_state)
        return self._draw(X, n_samples, seed).numpy(force=True)

    def _draw_seed(self) -> int:
        """Return the seed of the draws that predictions average."""
        return derived_seed(self.seed_, 1)

    def _mean_proba(self, X: NDArray[Any]) -> Tensor:
        """Return the mean of the draws that predictions average, (N, C)."""
        size, seed = max(1, _NUMBERS_OF_A_DRAW // len(self.classes_)), self._draw_seed()
        return torch.cat(
            [
                mean_of_draws(self._draw(X[start : start + size], None, seed))
                for start in range(0, len(X), size)
            ]
        )


class PosteriorClassifier(MeanOfDraws, NetClassifier, ABC):
    """A classifier over a skorch net that predicts the mean over draws."""

    def _answers(self):
        """Return what strategies may ask, as tensors, by the protocols' names."""
        return {**super()._answers(), "sample_proba": self._draws}

    def _member(self, net: NeuralNet) -> DeepClassifier:
        """Return a fitted classifier around one net, with all that this one knows."""
        params = DeepClassifier._get_param_names()
        member = DeepClassifier(**{name: getattr(self, name) for name in params})
        learned = {
            name: value
            for name, value in vars(self).items()
            if name.endswith("_") or name == "_le"
        }
        return with_attributes(member, **learned | {"nets_": [net]})

    def _check_draws(self, shown: NDArray[Any], advice: str) -> None:
        """Raise if all draws of a posterior are equal on a few rows.

        A lone class has probability 1 in every draw.
        """
        if not len(shown) or len(self.classes_) < 2:
            return
        proba_SNC = self._draw(shown, None, self._draw_seed())
        if (proba_SNC == proba_SNC[:1]).all():
            raise CapabilityError(
                f"All draws of {type(self).__name__} predict the same, so that they "
                f"tell nothing about uncertainty. {advice}"
            )


def mean_of_draws(proba_SNC: Tensor) -> Tensor:
    """Return the mean of the draws (N, C), the same whatever rows stand beside a row.

    In float32 the order of a sum, and so its last digit, hangs on the number of rows.
    """
    total_NC = proba_SNC[0].to(torch.float64, copy=True)
    for proba_NC in proba_SNC[1:]:  # a third of the time of a mean in float64
        total_NC += proba_NC
    return (total_NC / len(proba_SNC)).to(proba_SNC.dtype)


class SingleNetPosterior(PosteriorClassifier, ABC):
    """A posterior around one net, whose embeddings are the net's own."""

    def _answer(self, X, embeddings=False):
        """Return probabilities (N, C) and, if asked, embeddings (N, D) as tensors."""
        return self._mean_proba(X), self._embed(X) if embeddings else None

    def _answers(self):
        """Return what strategies may ask, as tensors, by the protocols' names."""
        return {**super()._answers(), "embed": self._embed}

    def _embed(self, X: NDArray[Any]) -> Tensor | None:
        """Return embeddings (N, D), for which nothing need be drawn."""
        return net_answer(self.nets_[0], X, self.embedding_layer, True)[1]


class EnsembleClassifier(PosteriorClassifier, ABC):
    """A posterior whose draws are its nets, all of them in every prediction."""

    _parameter_constraints = {
        **PosteriorClassifier._parameter_constraints,
        "n_estimators": [Interval(Integral, 2, None, closed="left")],
    }

    @property
    def estimators_(self) -> list[DeepClassifier]:
        """The members, a fitted classifier each, as scikit-activeml's committees ask.

        They share the nets of the ensemble.
        """
        check_is_fitted(self)
        return [self._member(net) for net in self.nets_]

    def _sites(self):
        """Describe what differs from draw to draw."""
        return [f"{len(self.nets_)} nets"]

    def _draw(self, X, n_samples=None, seed=0):  # noqa: ARG002
        """Return the members' class probabilities as a tensor (S, N, C).

        The members are all the draws there are: ``n_samples`` and ``seed`` do not
        matter.
        """
        return torch.stack([net_proba(net, X) for net in self.nets_])

    def _answer(self, X, embeddings=False):
        """Return probabilities (N, C) and, if asked, embeddings (N, D) as tensors."""
        if not embeddings:
            return mean_of_draws(self._draw(X)), None
        answers = [
            with_embeddings(
                partial(net_proba, net, X), net.module_, self.embedding_layer
            )
            for net in self.nets_
        ]
        proba_SNC = torch.stack([proba_NC for proba_NC, _ in answers])
        return mean_of_draws(proba_SNC), torch.cat([e_ND for _, e_ND in answers], dim=1)
