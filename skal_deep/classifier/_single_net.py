"""Classifiers that answer as one fitted net does."""

from abc import ABC

from skal_deep.classifier._base import NetClassifier
from skal_deep.classifier.net._answers import net_answer


class SingleNetClassifier(NetClassifier, ABC):
    """A classifier whose predictions, embeddings and linear head are one net's own.

    A subclass says how the net is fitted.
    """

    def _answers(self):
        """Return what strategies may ask, as tensors, by the protocols' names."""
        return {**super()._answers(), "linear_head": self._linear_head}

    def _answer(self, X, embeddings=False):
        """Return probabilities (N, C) and, if asked, embeddings (N, D) as tensors."""
        return net_answer(self.nets_[0], X, self.embedding_layer, embeddings)
