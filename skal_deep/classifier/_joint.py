"""Classifiers that train on rows without a label beside those with one."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from numpy.typing import NDArray
from skorch import NeuralNet

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._single_net import SingleNetClassifier
from skal_deep.classifier.net._fit import train_net
from skal_deep.classifier.net._joint_training import (
    Term,
    UnlabeledBatches,
    batch_size_of,
    joint_loss,
)


class JointClassifier(SingleNetClassifier, ABC):
    """A net whose loss has a term of rows without a label.

    A subclass says what that term is. Without such rows the net trains on its own loss.
    """

    _learns_from_unlabeled = True

    def _fit_nets(self, *, unlabeled=None, **data):
        train = partial(self._train, unlabeled) if self._uses(unlabeled) else None
        return [self._fit_net(train=train, **data)]

    def _uses(self, unlabeled: NDArray[Any]) -> bool:
        """Return whether there is anything to learn from rows without a label."""
        return len(unlabeled) > 0

    def _train(
        self, unlabeled: NDArray[Any], net: NeuralNet, X: Any, y: Any, weight: Any
    ) -> None:
        """Train an initialised net on both kinds of rows."""
        size = self._unlabeled_ratio() * batch_size_of(net, len(X))
        seed = derived_seed(self.seed_, 4)
        rows = UnlabeledBatches(net, unlabeled, size, seed) if len(unlabeled) else None
        share = len(X) / max(1, len(unlabeled))
        with self._term(net, rows, share) as term, joint_loss(net, term):
            train_net(net, X, y, weight)

    def _unlabeled_ratio(self) -> int:
        """Return how many rows without a label there are for each with one."""
        return 1

    @abstractmethod
    def _term(
        self, net: NeuralNet, rows: UnlabeledBatches | None, share: float
    ) -> AbstractContextManager[Term]:
        """Return a context that gives what is added to the loss of a mini-batch.

        Parameters
        ----------
        net : skorch.NeuralNet
            The initialised net.
        rows : UnlabeledBatches or None
            Mini-batches without labels, if there are any.
        share : float
            Number of labelled rows, over that of unlabelled ones.
        """
