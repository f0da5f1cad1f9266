"""What regressors share that are linear in features, with an exact posterior."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from skal_deep._modes import cpu_by_default
from skal_deep.classifier._linear_posterior import linear_regression_draws
from skal_deep.classifier._posterior_regressor import PosteriorRegressor


class LinearHeadRegressor(PosteriorRegressor, ABC):
    """A regressor whose weights of some features have an exact Gaussian posterior.

    A subclass says what the features are. It has ``n_samples``, the number of draws
    where none is given.
    """

    n_samples: int
    _posterior: Any  # LinearRegression

    @abstractmethod
    def _features(self, X: Any) -> Tensor:
        """Return features (N, D) in float64, with a one for the bias."""

    def _noise(self):
        return self._posterior.noise_T

    def _mean_and_variance(self, X):
        features_ND = self._features(X)
        mean_NT = features_ND @ self._posterior.weights_TD.T
        unit_N1 = (features_ND @ self._posterior.root_DD).square().sum(1, keepdim=True)
        return mean_NT, unit_N1 * self._posterior.noise_T

    def _draws(self, X, n_samples, seed):
        n_samples = n_samples or self.n_samples
        weights_STD = linear_regression_draws(self._posterior, n_samples, seed)
        return self._features(X) @ weights_STD.mT

    @cpu_by_default()
    def joint_covariance(self, X, X_other=None):
        """Return covariances of the function at rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        X_other : array-like of shape (n_others, ...), default=None
            Other inputs; ``None`` is X.

        Returns
        -------
        ndarray of shape (n_samples, n_others) or (n_targets, ...)
            Epistemic covariances, in the square of the unit of y.
        """
        left_ND = self._features(self._check_rows(X)) @ self._posterior.root_DD
        right_MD = left_ND
        if X_other is not None:
            others = self._check_rows(X_other)
            right_MD = self._features(others) @ self._posterior.root_DD
        noise_T11 = (self._noise() * self._scale.square())[:, None, None]
        return self._shaped(noise_T11 * (left_ND @ right_MD.T), axis=0)
