"""Linear regression with the exact Gaussian posterior of its weights."""

from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from skactiveml.utils import MISSING_LABEL
from sklearn.utils._param_validation import Interval, StrOptions
from torch.nn.functional import pad

from skal_deep.classifier._linear_head_regressor import LinearHeadRegressor
from skal_deep.classifier._linear_posterior import flat_rows
from skal_deep.functional.gaussian_regression import linear_regression


class BayesianLinearRegressor(LinearHeadRegressor):
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
    0, and an average row has the variance 1.

    References
    ----------
    .. [1] D. MacKay. Bayesian Interpolation. Neural Computation 4, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.classifier import BayesianLinearRegressor
    >>> from skal_deep.pool import BALD
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> y = np.where(np.arange(20) % 2, 3 * X[:, 0] + 1, np.nan)
    >>> reg = BayesianLinearRegressor().fit(X, y)
    >>> reg.predict([[0.0], [1.0]]).round(2)
    array([1., 4.])
    >>> BALD(missing_label=np.nan).query(X, y, reg=reg)
    array([0])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LinearHeadRegressor._parameter_constraints,
        "noise": [Interval(Real, 0, None, closed="neither"), StrOptions({"evidence"})],
        "n_samples": [Interval(Integral, 2, None, closed="left")],
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

    def _fit_targets(self, X, labeled, target, weight):
        n_labeled, n_outputs = target.shape
        noise_T = None
        if not isinstance(self.noise, str):
            noise_T = self.noise / self._scale.square()
        elif n_labeled < 2:
            noise_T = torch.ones(n_outputs, dtype=torch.float64)
        features_ND, target_NT = self._features(X[labeled]), torch.tensor(target)
        if weight is not None:
            root_N1 = torch.tensor(weight).sqrt()[:, None]
            features_ND, target_NT = features_ND * root_N1, target_NT * root_N1
        ratio = None
        if n_labeled < 2:  # the prior gives an average row the variance of the noise
            rows_ND = self._features(X)
            ratio = float(rows_ND.square().sum(1).mean()) if len(X) else 1.0
        self._posterior = linear_regression(features_ND, target_NT, noise_T, ratio)
        self.log_evidence_ = self._posterior.log_evidence
        weights_TD = self._posterior.weights_TD * self._scale[:, None]
        whole = slice(None) if self._is_vector else 0
        self.coef_ = weights_TD[:, :-1].numpy()[whole]
        self.intercept_ = (weights_TD[:, -1] + self._center).numpy()[whole]

    def _features(self, X):
        return pad(flat_rows(X).double(), (0, 1), value=1.0)
