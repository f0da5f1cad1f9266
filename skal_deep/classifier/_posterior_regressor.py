"""What regressors with a posterior share: targets, variances, draws."""

import math
import warnings
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from skactiveml.base import ProbabilisticRegressor
from skactiveml.utils import is_labeled
from sklearn.metrics import r2_score
from sklearn.utils import check_array
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import _check_feature_names, check_is_fitted
from torch import Tensor
from torch.distributions import Normal

from skal_deep._modes import cpu_by_default, weights_cast_anew
from skal_deep.classifier._base import as_seed, check_number_of_draws, derived_seed
from skal_deep.classifier.net._interrupts import restore_unless_done
from skal_deep.exceptions import CapabilityError
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import is_numbers, n_columns, row_shape
from skal_deep.rows._label_array import label_array
from skal_deep.rows._numbers import numbers
from skal_deep.rows._row_weights import of_mean_one, row_weights
from skal_deep.rows._shape import check_is_rows


class PosteriorRegressor(ProbabilisticRegressor, ABC):
    """A regressor whose predictions have an epistemic variance, and noise.

    A subclass learns standardised targets, and draws functions of its posterior.
    """

    # Whether labels are distributed as a mixture over a few draws, not as a Gaussian.
    _is_mixture: ClassVar[bool] = False
    # Whether it learns from the rows without a target, too.
    _learns_from_unlabeled: ClassVar[bool] = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "random_state": ["random_state"]
    }

    @weights_cast_anew()
    def fit(self, X, y, sample_weight=None):
        """Fit to the labelled rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; rows at ``missing_label`` are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. Their scale does not matter.

        Returns
        -------
        object
            The fitted regressor.
        """
        with restore_unless_done(self), cpu_by_default():
            validate_parameter_constraints(
                self._parameter_constraints,
                self.get_params(deep=False),
                type(self).__name__,
            )
            weight = row_weights(sample_weight, len(y))
            check_is_rows(X)
            _check_feature_names(self, X, reset=True)
            X = self._as_rows(X)
            rows = {"ensure_min_samples": 0, "allow_nd": True}
            # scikit-activeml knows arrays of numbers; zeros stand in for other rows
            checked, y, _ = self._validate_data(
                X if is_numbers(X) else np.zeros((len(X), 1)),
                label_array(y, self.missing_label),
                check_X_dict=rows,
                y_ensure_1d=False,
            )
            X = checked if is_numbers(X) else X
            self.n_features_in_ = n_columns(X)
            y = np.asarray(y, dtype=float)
            if y.ndim == 2 and y.shape[1] == 1:
                y = y[:, 0]
            self.row_shape_ = row_shape(X)
            self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
            self._is_vector = y.ndim == 2
            y = y.reshape(len(y), self.n_outputs_)
            known = is_labeled(y, self.missing_label)
            if (partly := known.any(axis=1) & ~known.all(axis=1)).any():
                raise ValueError(
                    f"Row {np.flatnonzero(partly)[0]} of y has some targets and lacks "
                    "others. A row has all or none."
                )
            labeled = known.all(axis=1)
            if not np.isfinite(y[labeled]).all():
                raise ValueError("Targets must be finite numbers.")
            self.seed_ = as_seed(self.random_state)
            if weight is not None and labeled.any():
                labeled &= weight > 0  # a row without weight is none
                if not labeled.any():
                    raise ValueError("sample_weight is zero for every labelled row.")
            weight = None if weight is None else weight[labeled]
            self._fit_labeled(X, labeled, y[labeled], weight)
        return self

    def _as_rows(self, X: Any) -> Any:
        """Return rows in a form in which they are learned, or say what to pass."""
        return numbers(as_data(X), who=type(self).__name__)

    def _fit_labeled(self, X, labeled, y, weight):
        """Standardise the targets of the labelled rows, and learn them."""
        n_labeled, n_outputs = y.shape
        if not n_labeled:
            warnings.warn(
                f"{type(self).__name__} has no label, and predicts by its prior.",
                stacklevel=4,
            )
        center, scale = np.zeros(n_outputs), np.ones(n_outputs)
        if n_labeled:
            weight = None if weight is None else of_mean_one(weight)
            center = np.average(y, axis=0, weights=weight)
            with np.errstate(over="ignore"):
                variance = np.average(np.square(y - center), axis=0, weights=weight)
            if not np.isfinite(variance).all():
                raise ValueError(
                    f"The squares of targets up to {np.abs(y).max():.3g} are infinite. "
                    "Take another unit of y."
                )
            # the mean of equal numbers may be another one, by round-off
            varies = (y != y[0]).any(axis=0) & (variance > 0)
            scale = np.where(varies, np.sqrt(variance), 1.0)
        self._center, self._scale = torch.tensor(center), torch.tensor(scale)
        self._fit_targets(X, labeled, (y - center) / scale, weight)

    @abstractmethod
    def _fit_targets(
        self,
        X: NDArray[Any],
        labeled: NDArray[np.bool_],
        target: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
    ) -> None:
        """Learn standardised targets (N, T) of the labelled rows of X.

        Weights, of mean 1, are those of the labelled rows.
        """

    @abstractmethod
    def _mean_and_variance(self, X: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """Return means and epistemic variances (N, T) of standardised targets."""

    @abstractmethod
    def _draws(self, X: NDArray[Any], n_samples: int | None, seed: int) -> Tensor:
        """Return coupled draws (S, N, T) of standardised targets, without noise."""

    @abstractmethod
    def _noise(self) -> Tensor:
        """Return the variances (T,) of the noise of standardised targets."""

    def _noise_of_draws(self, X: NDArray[Any]) -> Tensor:  # noqa: ARG002
        """Return the noise of standardised targets, (S, N, T) where it differs."""
        return self._noise()

    @property
    @cpu_by_default()
    def noise_variance_(self):
        """Variance of the noise of each target, in the square of the unit of y."""
        check_is_fitted(self)
        noise_T = (self._noise() * self._scale.square()).numpy()
        return noise_T if self._is_vector else float(noise_T[0])

    def _check_rows(self, X: Any) -> Any:
        """Return inputs that look like those of fit."""
        check_is_fitted(self)
        check_is_rows(X)
        _check_feature_names(self, X, reset=False)
        X = self._as_rows(X)
        if is_numbers(X):
            X = check_array(X, allow_nd=True)
        if row_shape(X) != self.row_shape_:
            raise ValueError(
                f"The rows of X have shape {row_shape(X)}, but {type(self).__name__} "
                f"was fitted with rows of shape {self.row_shape_}."
            )
        return X

    def _shaped(self, values: Tensor, axis: int = -1) -> NDArray[Any]:
        """Return an array without the axis of outputs where there is one target."""
        return values.numpy() if self._is_vector else values.squeeze(axis).numpy()

    def _in_unit(self, values: Tensor) -> Tensor:
        """Return standardised targets in the unit of y."""
        if not torch.isfinite(values).all():
            raise ValueError(
                f"{type(self).__name__} predicts NaN or infinite values. If it has a "
                "net, its training has diverged: lower `net__lr`, scale the inputs, "
                "and look for NaN among them."
            )
        return self._center + self._scale * values

    def _moments(self, X: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Return means, epistemic variances and noise, of shape (N, T) each."""
        X = self._check_rows(X)
        mean_NT, epistemic_NT = self._mean_and_variance(X)
        square_T, noise = self._scale.square(), self._noise_of_draws(X)
        # of a mixture the variance is that of the means, and the mean of the variances
        noise = noise.mean(0) if noise.ndim == 3 else noise
        noise_NT = (noise * square_T).expand_as(mean_NT).clone()
        return self._in_unit(mean_NT), square_T * epistemic_NT, noise_NT

    @cpu_by_default()
    def predict(self, X, return_std=False, return_entropy=False):
        """Return the mean of the predictive distribution.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        return_std : bool, default=False
            Also return the standard deviation of a new label, noise included.
        return_entropy : bool, default=False
            Also return the differential entropy of a new label, in nats.

        Returns
        -------
        mean : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Means, in the unit of y.
        std : ndarray of the same shape
            Only if ``return_std``.
        entropy : ndarray of the same shape
            Only if ``return_entropy``.
        """
        if not (return_std or return_entropy):  # the noise may be dear
            mean_NT = self._mean_and_variance(self._check_rows(X))[0]
            return self._shaped(self._in_unit(mean_NT))
        mean_NT, epistemic_NT, noise_NT = self._moments(X)
        std_NT = (epistemic_NT + noise_NT).sqrt()
        found = [self._shaped(mean_NT)]
        if return_std:
            found.append(self._shaped(std_NT))
        if return_entropy:
            found.append(norm.entropy(scale=self._shaped(std_NT)))
        return tuple(found)

    @cpu_by_default()
    def predict_variance(self, X):
        """Return the epistemic variance and that of the noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        epistemic : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Variance of the function, which labels reduce.
        noise : ndarray of the same shape
            Variance of labels around the function.
        """
        _, epistemic_NT, noise_NT = self._moments(X)
        return self._shaped(epistemic_NT), self._shaped(noise_NT)

    @cpu_by_default()
    def sample_predictions(self, X, n_samples=None, random_state=None):
        """Return predictions under draws of the weights, without noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        n_samples : int, default=None
            Number of draws; ``None`` is the regressor's own. Ensembles have their
            members for draws.
        random_state : int, RandomState or None, default=None
            Seed of the draws; draw s is one set of weights for all rows.

        Returns
        -------
        ndarray of shape (n_draws, n_samples) or (..., n_targets)
            Predictions, in the unit of y.
        """
        check_number_of_draws(n_samples)
        X = self._check_rows(X)
        samples_SNT = self._draws(X, n_samples, self._seed(random_state))
        return self._shaped(self._in_unit(samples_SNT))

    def _seed(self, random_state: Any) -> int:
        """Return the seed of draws."""
        if random_state is None:
            return derived_seed(self.seed_, 1)
        return as_seed(random_state)

    def sample_members(self, X, n_samples=None, random_state=0):
        """Return draws as scikit-activeml's ``QueryByCommittee`` asks for them.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        n_samples, random_state : object
            As of :meth:`sample_predictions`.

        Returns
        -------
        ndarray of shape (n_samples, n_draws)
            Predictions of one target.
        """
        self._check_one_output("sample_members")
        return self.sample_predictions(X, n_samples, random_state).T

    @cpu_by_default()
    def sample_y(self, X, n_samples=1, random_state=None):
        """Return draws of labels: of the function, and noise around it.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        n_samples : int, default=1
            Number of draws.
        random_state : int, RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        ndarray of shape (n_samples, n_draws) or (n_samples, n_targets, n_draws)
            Labels.
        """
        draws = self.sample_predictions(X, n_samples, random_state)
        rng = np.random.default_rng(derived_seed(self._seed(random_state), 2))
        noise = self._noise_of_draws(self._check_rows(X)) * self._scale.square()
        std = self._shaped(noise.sqrt())
        draws = draws + std * rng.normal(size=draws.shape)
        return np.moveaxis(draws, 0, -1)

    @cpu_by_default()
    def predict_target_distribution(self, X):
        """Return the distribution of labels, of one target.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        scipy.stats.rv_frozen
            Normal.
        """
        self._check_one_output("predict_target_distribution")
        mean_N, std_N = self.predict(X, return_std=True)
        # scikit-activeml reshapes arrays that are given by keyword, in place
        return norm(loc=mean_N, scale=std_N)

    @cpu_by_default()
    def log_predictive_density(self, X, y):
        """Return the log density of labels, in nats, in the unit of y.

        Of draws it is that of their mixture: each is Gaussian with the noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log densities, summed over outputs.
        """
        X = self._check_rows(X)
        mean_NT, epistemic_NT, noise_NT = self._moments(X)
        y, n_rows = np.asarray(y, dtype=float), len(mean_NT)
        wanted = (n_rows, self.n_outputs_) if self._is_vector else (n_rows,)
        if y.shape not in (wanted, tuple(mean_NT.shape)):
            raise ValueError(
                f"y must have the shape {wanted} of what is predicted for X, and has "
                f"{y.shape}."
            )
        y_NT = torch.as_tensor(y.reshape(mean_NT.shape))
        if not self._is_mixture:
            std_NT = (epistemic_NT + noise_NT).sqrt()
            return Normal(mean_NT, std_NT).log_prob(y_NT).sum(1).numpy()
        samples_SNT = self._draws(X, None, self._seed(None))
        draws_SNT = self._in_unit(samples_SNT)
        noise = self._noise_of_draws(X) * self._scale.square()
        density_SN = Normal(draws_SNT, noise.sqrt()).log_prob(y_NT).sum(-1)
        return (density_SN.logsumexp(0) - math.log(len(density_SN))).numpy()

    def score(self, X, y, sample_weight=None):
        """Return r2 on the labelled rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; rows at ``missing_label`` do not count.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The r2; NaN if no row has a label.
        """
        y = np.asarray(y, dtype=float)
        known = is_labeled(y.reshape(len(y), -1), self.missing_label).all(axis=1)
        if not known.any():
            return float("nan")
        weight = row_weights(sample_weight, len(y))
        weight = None if weight is None else weight[known]
        predicted = self.predict(X)[known]
        return r2_score(y[known], predicted, sample_weight=weight)

    def _check_one_output(self, method: str) -> None:
        check_is_fitted(self)
        if self.n_outputs_ > 1:
            raise CapabilityError(
                f"{method} is for one target, and y has {self.n_outputs_}. Use "
                "sample_predictions or predict_variance."
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "seed_")
