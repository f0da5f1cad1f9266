"""Weights that are collected while a trained net is trained on."""

from abc import ABC
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval
from skorch import NeuralNet
from torch import Tensor

from skal_deep.classifier._base import NetClassifier, derived_seed
from skal_deep.classifier.net._fit import train_net
from skal_deep.modules import isolated_rng
from skal_deep.modules._weights import trained_weights


class CollectsWeights(NetClassifier, ABC):
    """A classifier that looks at the weights after each of some further epochs.

    A subclass has the parameters ``n_collected`` and ``collect_lr``.
    """

    _parameter_constraints = {
        **NetClassifier._parameter_constraints,
        "n_collected": [Interval(Integral, 2, None, closed="left")],
        "collect_lr": [Interval(Real, 0, None, closed="neither"), None],
    }

    def _collect(
        self,
        net: NeuralNet,
        X: NDArray[Any],
        y: NDArray[Any],
        sample_weight: NDArray[Any] | None,
        shown: NDArray[Any],
    ) -> Iterator[Tensor]:
        """Train a copy of the net on, and yield its weights after each epoch."""
        net = self._fit_net(X=X[:0], y=y[:0], shown=shown, start_from=[net])
        net.callbacks_ = []
        net.set_params(max_epochs=1)
        if self.collect_lr is not None:
            net.set_params(lr=self.collect_lr)
        for epoch in range(self.n_collected):
            with isolated_rng(derived_seed(self.seed_, 2, epoch)):
                self._train_augmented(train_net, net, X, y, sample_weight)
            yield trained_weights(net.module_)
