"""Classifiers whose posterior is the dropout of their one net."""

from abc import ABC
from numbers import Integral
from typing import Any

from sklearn.utils._param_validation import Interval

from skal_deep.classifier._posterior import SingleNetPosterior
from skal_deep.classifier.net._dropout_check import check_dropout
from skal_deep.classifier.net._dropout_draws import dropout_proba
from skal_deep.modules._dropout import dropout_sites


class DropoutPosterior(SingleNetPosterior, ABC):
    """A classifier whose draws keep a random part of the units of one net.

    A subclass says how the net is fitted, and has a parameter ``n_samples``.
    """

    _parameter_constraints: dict[str, Any] = {
        **SingleNetPosterior._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left")],
    }

    def _check_fit(self, shown):
        if len(self.classes_) > 1:  # a lone class has probability 1 in every draw
            check_dropout(self.nets_[0], shown)

    def _answers(self):
        """Return what strategies may ask, as tensors, by the protocols' names."""
        return {**super()._answers(), "linear_head": self._linear_head}

    def _sites(self):
        """Describe what differs from draw to draw."""
        return dropout_sites(self.nets_[0].module_)

    def _draw(self, X, n_samples, seed):
        """Return coupled draws of the class probabilities as a tensor (S, N, C)."""
        return dropout_proba(self.nets_[0], X, n_samples or self.n_samples, seed)
