"""Linear regression with the exact Gaussian posterior of its weights."""

import warnings
from numbers import Integral, Real

import numpy as np
import torch
from scipy.stats import norm
from skactiveml.base import ProbabilisticRegressor
from skactiveml.utils import MISSING_LABEL, is_labeled
from sklearn.metrics import r2_score
from sklearn.utils import check_array
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import check_is_fitted
from torch.nn.functional import pad

from skal_deep.classifier._base import as_seed, derived_seed
from skal_deep.classifier._linear_posterior import flat_rows
from skal_deep.classifier.net._interrupts import restore_unless_done
from skal_deep.exceptions import CapabilityError
from skal_deep.functional.gaussian_regression import linear_regression
from skal_deep.modules._rng import draw_generator
from skal_deep.rows._row_weights import of_mean_one, row_weights


class BayesianLinearRegressor(ProbabilisticRegressor):
    """Linear regression with the exact Gaussian posterior of its weights.

    Prior and noise are those for which the targets are most probable [1]_. The
    prediction of a row has an epistemic variance, which labels reduce, and a variance
    of the noise, which they do not.

    Use it on embeddings of a frozen model, as the twin of
    :class:`BayesianLinearClassifier` for numbers: it is fitted in closed form, starts
    without a label, and serves :class:`~skal_deep.pool.BALD`,
    :class:`~skal_deep.pool.BatchBALD` and :class:`~skal_deep.pool.EPIG`.

    Parameters
    ----------
    noise : float or "evidence", default="evidence"
        Variance of the noise, in the square of the unit of y. "evidence" finds it from
        the labels, for each output.
    n_samples : int, default=100
        Number of draws where none is given.
    missing_label : scalar or nan, default=nan
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of draws where none is given.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Mean of the weights.
    intercept_ : float or ndarray of shape (n_targets,)
        Mean of the bias.
    noise_variance_ : float or ndarray of shape (n_targets,)
        Variance of the noise, in the square of the unit of y.
    log_evidence_ : float
        Log density of the standardised targets, in nats.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    BayesianLinearClassifier : The same for classes.
    sklearn.linear_model.BayesianRidge : Has no draws of its own; strategies make them.

    Notes
    -----
    Targets are standardised on the labelled rows, each output by itself. Features are
    not: scale those that differ in scale by a ``StandardScaler`` in a Pipeline. All
    outputs share the ratio of prior precision and noise. Without a label the mean is
    0, and the variance that of the prior, 1 for an average row.

    References
    ----------
    .. [1] D. MacKay. Bayesian Interpolation. Neural Computation 4, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.classifier import BayesianLinearRegressor
    >>> from skal_deep.pool import BALD
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> y = np.where(np.arange(9) % 4 == 1, 3 * X[:, 0] + 1, np.nan)
    >>> reg = BayesianLinearRegressor().fit(X, y)
    >>> reg.predict([[0.0], [1.0]]).round(2)
    array([1., 4.])
    >>> BALD(missing_label=np.nan).query(X, y, reg=reg)
    array([8])
    """

    _parameter_constraints = {
        "noise": [Interval(Real, 0, None, closed="neither"), StrOptions({"evidence"})],
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        noise="evidence",
        n_samples=100,
        missing_label=MISSING_LABEL,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.noise = noise
        self.n_samples = n_samples

    def fit(self, X, y, sample_weight=None):
        """Fit to the labelled rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; rows at ``missing_label`` are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            How many labels each row counts as. Their scale does not matter.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        with restore_unless_done(self):
            validate_parameter_constraints(
                self._parameter_constraints,
                self.get_params(deep=False),
                type(self).__name__,
            )
            weight = row_weights(sample_weight, len(y))
            X, y, _ = self._validate_data(
                X, y, check_X_dict={"ensure_min_samples": 0}, y_ensure_1d=False
            )
            y = np.asarray(y, dtype=float)
            if y.ndim == 2 and y.shape[1] == 1:
                y = y[:, 0]
            self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
            self._is_vector = y.ndim == 2
            y = y.reshape(len(y), -1)
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
            self._fit_labeled(X, y, labeled, weight)
        return self

    def _fit_labeled(self, X, y, labeled, weight):
        y_labeled = y[labeled]
        n_labeled, n_outputs = y_labeled.shape
        if not n_labeled:
            warnings.warn(
                f"{type(self).__name__} has no label, and predicts by its prior.",
                stacklevel=4,
            )
        center, scale = np.zeros(n_outputs), np.ones(n_outputs)
        if n_labeled:
            center = y_labeled.mean(axis=0)
        if n_labeled > 1:
            deviation = y_labeled.std(axis=0)
            varies = deviation > 1e-12 * np.abs(center)
            scale = np.where(varies, deviation, 1.0)
        self._center, self._scale = torch.tensor(center), torch.tensor(scale)
        noise = None
        if not isinstance(self.noise, str):
            noise = self.noise / self._scale.square()
        elif n_labeled < 2:
            noise = torch.ones(n_outputs)
        features_ND = _with_ones(X[labeled])
        target_NT = (torch.tensor(y_labeled) - self._center) / self._scale
        if weight is not None and n_labeled:
            if not weight[labeled].any():
                raise ValueError("sample_weight is zero for every labelled row.")
            root_N1 = torch.tensor(of_mean_one(weight[labeled])).sqrt()[:, None]
            features_ND, target_NT = features_ND * root_N1, target_NT * root_N1
        if n_labeled < 2:  # the prior is such that an average row has the variance 1
            rows_ND = _with_ones(X)
            square = float(rows_ND.square().sum(1).mean()) if len(X) else 1.0
            features_ND = features_ND / square**0.5
            found = linear_regression(features_ND, target_NT, noise, ratio=1.0)
            found = found._replace(
                weights_TD=found.weights_TD / square**0.5,
                root_DD=found.root_DD / square**0.5,
            )
        else:
            found = linear_regression(features_ND, target_NT, noise)
        self._posterior = found
        self.log_evidence_ = found.log_evidence
        weights_TD = found.weights_TD * self._scale[:, None]
        intercept = (weights_TD[:, -1] + self._center).numpy()
        coef, variance = weights_TD[:, :-1].numpy(), self._noise_T().numpy()
        whole = slice(None) if self._is_vector else 0
        self.coef_, self.intercept_ = coef[whole], intercept[whole]
        self.noise_variance_ = variance[whole]

    def _noise_T(self):
        return self._posterior.noise_T * self._scale.square()

    def _features(self, X):
        """Return rows as features in float64, with a one for the bias."""
        check_is_fitted(self)
        X = check_array(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        return _with_ones(X)

    def _shaped(self, values, axis=-1):
        """Return an array without the axis of outputs where there is one target."""
        return values.numpy() if self._is_vector else values.squeeze(axis).numpy()

    def _moments(self, X):
        """Return means, epistemic variances and noise, of shape (N, T) each."""
        features_ND = self._features(X)
        mean_NT = self._center + self._scale * (
            features_ND @ self._posterior.weights_TD.T
        )
        unit_N1 = (features_ND @ self._posterior.root_DD).square().sum(1, keepdim=True)
        noise_NT = self._noise_T().expand_as(mean_NT).clone()
        return mean_NT, unit_N1 * noise_NT, noise_NT

    def predict(self, X, return_std=False, return_entropy=False):
        """Return the mean of the predictive distribution.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
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
        mean_NT, epistemic_NT, noise_NT = self._moments(X)
        std_NT = (epistemic_NT + noise_NT).sqrt()
        found = [self._shaped(mean_NT)]
        if return_std:
            found.append(self._shaped(std_NT))
        if return_entropy:
            found.append(norm.entropy(scale=self._shaped(std_NT)))
        return found[0] if len(found) == 1 else tuple(found)

    def predict_variance(self, X):
        """Return the epistemic variance and that of the noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
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

    def sample_predictions(self, X, n_samples=None, random_state=None):
        """Return predictions under draws of the weights, without noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        n_samples : int, default=None
            Number of draws; ``None`` is the regressor's own.
        random_state : int, RandomState or None, default=None
            Seed of the draws; draw s is one set of weights for all rows.

        Returns
        -------
        samples : ndarray of shape (n_draws, n_samples) or (..., n_targets)
            Predictions, in the unit of y.
        """
        features_ND = self._features(X)
        seed = self._seed(random_state)
        shape = self._posterior.weights_TD.shape
        noise_STD = torch.stack(
            [
                torch.randn(shape, generator=draw_generator(seed, draw)).double()
                for draw in range(n_samples or self.n_samples)
            ]
        )
        change_STD = noise_STD @ self._posterior.root_DD
        change_STD *= self._posterior.noise_T.sqrt()[:, None]
        weights_STD = self._posterior.weights_TD + change_STD
        samples_SNT = features_ND @ weights_STD.mT
        return self._shaped(self._center + self._scale * samples_SNT)

    def _seed(self, random_state):
        if random_state is None:
            return derived_seed(self.seed_, 1)
        return as_seed(random_state)

    def sample_members(self, X, n_samples=None, random_state=0):
        """Return draws as scikit-activeml's ``QueryByCommittee`` asks for them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        n_samples, random_state : object
            As of :meth:`sample_predictions`.

        Returns
        -------
        samples : ndarray of shape (n_samples, n_draws)
            Predictions of one target.
        """
        self._check_one_output("sample_members")
        return self.sample_predictions(X, n_samples, random_state).T

    def sample_y(self, X, n_samples=1, random_state=None):
        """Return draws of labels: of the function, and noise around it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        n_samples : int, default=1
            Number of draws.
        random_state : int, RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        y : ndarray of shape (n_samples, n_draws) or (n_samples, n_targets, n_draws)
            Labels.
        """
        draws = self.sample_predictions(X, n_samples, random_state)
        rng = np.random.default_rng(derived_seed(self._seed(random_state), 2))
        draws = draws + np.sqrt(self.noise_variance_) * rng.normal(size=draws.shape)
        return np.moveaxis(draws, 0, -1)

    def joint_covariance(self, X, X_other=None):
        """Return covariances of the function at rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        X_other : array-like of shape (n_others, n_features), default=None
            Other inputs; ``None`` is X.

        Returns
        -------
        covariance : ndarray of shape (n_samples, n_others) or (n_targets, ...)
            Epistemic covariances.
        """
        left_ND = self._features(X) @ self._posterior.root_DD
        right_MD = left_ND
        if X_other is not None:
            right_MD = self._features(X_other) @ self._posterior.root_DD
        return self._shaped(
            self._noise_T()[:, None, None] * (left_ND @ right_MD.T), axis=0
        )

    def predict_target_distribution(self, X):
        """Return the distribution of labels, of one target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        distribution : scipy.stats.rv_frozen
            Normal.
        """
        self._check_one_output("predict_target_distribution")
        mean_N, std_N = self.predict(X, return_std=True)
        # scikit-activeml reshapes arrays that are given by keyword, in place
        return norm(loc=mean_N, scale=std_N)

    def log_predictive_density(self, X, y):
        """Return the log density of labels, in nats, in the unit of y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        density : ndarray of shape (n_samples,)
            Log densities, summed over outputs.
        """
        mean, std = self.predict(X, return_std=True)
        density = norm.logpdf(np.asarray(y), loc=mean, scale=std)
        return density if density.ndim == 1 else density.sum(axis=1)

    def score(self, X, y, sample_weight=None):
        """Return r2 on the labelled rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; rows at ``missing_label`` do not count.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            r2; NaN if no row has a label.
        """
        y = np.asarray(y, dtype=float)
        known = is_labeled(y.reshape(len(y), -1), self.missing_label).all(axis=1)
        if not known.any():
            return float("nan")
        weight = row_weights(sample_weight, len(y))
        weight = None if weight is None else weight[known]
        predicted = self.predict(X)[known]
        return r2_score(y[known], predicted, sample_weight=weight)

    def _check_one_output(self, method):
        check_is_fitted(self)
        if self.n_outputs_ > 1:
            raise CapabilityError(
                f"{method} is for one target, and y has {self.n_outputs_}. Use "
                "sample_predictions or predict_variance."
            )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coef_")


def _with_ones(X):
    return pad(flat_rows(X).double(), (0, 1), value=1.0)
