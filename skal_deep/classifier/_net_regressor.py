"""What regressors over a skorch net share: training, and noise by cross-validation."""

from abc import ABC, abstractmethod
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, StrOptions
from skorch import NeuralNet
from torch import Tensor

from skal_deep._modes import cpu_by_default
from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._posterior_regressor import PosteriorRegressor
from skal_deep.classifier.net._answers import module_output, with_embeddings
from skal_deep.classifier.net._bare_nets import fit_bare_net
from skal_deep.classifier.net._compiled import with_attributes
from skal_deep.classifier.net._rows import net_rows
from skal_deep.modules import isolated_rng

# With more rows three folds do; each is a whole training.
_MANY_ROWS = 500
# The noise is at least this share of the error, and of the variance of the targets.
_LEAST_SHARE, _LEAST_NOISE = 1 / 20, 1e-6


class NetRegressor(PosteriorRegressor, ABC):
    """A regressor made of one or several copies of a skorch net.

    A subclass says how the copies are fitted, and where draws come from.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PosteriorRegressor._parameter_constraints,
        "net": [NeuralNet],
        "noise": [Interval(Real, 0, None, closed="neither"), StrOptions({"cv"})],
    }

    def _as_rows(self, X: Any) -> Any:
        """Return rows in a form that the net takes."""
        return net_rows(self.net, X)

    def _fit_targets(self, X, labeled, target, weight):
        self._known = X[labeled], target, weight
        self._found_noise, self._shown = None, X[:8]
        self.nets_ = self._fit_nets(X[labeled], target, weight, self.seed_)
        self._check_fit(self._shown)

    @abstractmethod
    def _fit_nets(
        self,
        X: NDArray[Any],
        target: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        seed: int,
    ) -> list[NeuralNet]:
        """Return fitted clones of ``self.net``."""

    def _check_fit(self, shown: NDArray[Any]) -> None:
        """Check on a few rows that the fitted net keeps the promise of the class."""

    def _fit_net(
        self,
        X: NDArray[Any],
        target: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        seed: int,
        **params: Any,
    ) -> NeuralNet:
        """Return a fitted clone of the net; without rows, an initialised one.

        The clone gets further parameters, if there are any.
        """
        with isolated_rng(seed):
            net = clone(self.net).set_params(**params)
            if not len(X):
                net.initialize()
                if len(self._shown):  # lazy layers learn their shapes
                    module_output(net, self._shown)
                return net
            return fit_bare_net(net, X, target, weight)

    def _output(self, net: NeuralNet, X: NDArray[Any]) -> Tensor:
        """Return standardised predictions of a net, of shape (N, T)."""
        return module_output(net, X).reshape(len(X), -1).double().cpu()

    @cpu_by_default()
    def embed(self, X):
        """Return embeddings: the input of the last linear layer.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_dims)
            Embeddings, of all nets side by side where there are several.
        """
        X = self._check_rows(X)
        return np.concatenate([net_embedding(n, X).numpy() for n in self.nets_], axis=1)

    def _noise(self):
        if not isinstance(self.noise, str):
            return self.noise / self._scale.square()
        if self.noise != "cv":
            raise AttributeError(
                f"The noise of {type(self).__name__}(noise={self.noise!r}) differs "
                "from row to row: it is the second of predict_variance(X)."
            )
        if self._found_noise is None:
            self._found_noise = self._noise_by_folds()
        return self._found_noise

    def _noise_by_folds(self) -> Tensor:
        """Return the error of held-out rows, without the epistemic variance there.

        Errors on the rows of the training would tell next to nothing: a net fits its
        labels almost exactly.
        """
        X, target, weight = self._known
        n_rows = len(X)
        if n_rows < 2:
            return torch.ones(target.shape[1], dtype=torch.float64)
        n_folds = min(3 if n_rows > _MANY_ROWS else 5, n_rows)
        order = np.random.default_rng(self.seed_).permutation(n_rows)
        error_NT, variance_NT = np.empty_like(target), np.empty_like(target)
        for fold in range(n_folds):
            out = np.sort(order[fold::n_folds])
            rest = np.setdiff1d(order, out)
            part = None if weight is None else weight[rest]
            known = X[rest], target[rest], part
            nets = self._fit_nets(*known, derived_seed(self.seed_, 3, fold))
            probe = self._with_nets(nets, known)
            mean, variance = probe._mean_and_variance(X[out])
            error_NT[out] = np.square(mean.numpy() - target[out])
            variance_NT[out] = variance.numpy()
        error_T = np.average(error_NT, axis=0, weights=weight)
        noise_T = error_T - np.average(variance_NT, axis=0, weights=weight)
        noise_T = np.maximum(noise_T, _LEAST_SHARE * error_T)
        return torch.tensor(np.maximum(noise_T, _LEAST_NOISE))

    def _with_nets(self, nets: list[NeuralNet], known: Any) -> Any:
        """Return a view of this regressor with other nets."""
        return with_attributes(self, nets_=nets, _known=known)


def net_embedding(net: NeuralNet, X: NDArray[Any]) -> Tensor:
    """Return the input of the last linear layer, of shape (N, D)."""
    embedding = with_embeddings(lambda: module_output(net, X), net.module_, None)[1]
    return embedding.cpu()


class DrawingRegressor(NetRegressor, ABC):
    """A regressor over nets whose predictions are those of draws, averaged."""

    _is_mixture: ClassVar[bool] = True

    def _mean_and_variance(self, X):
        samples_SNT = self._draws(X, None, derived_seed(self.seed_, 1))
        return samples_SNT.mean(0), samples_SNT.var(0, correction=0)
