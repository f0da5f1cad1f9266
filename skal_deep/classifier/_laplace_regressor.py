"""The exact posterior of the last layer of a net that predicts numbers."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from skactiveml.utils import MISSING_LABEL
from sklearn.utils._param_validation import Interval, StrOptions
from torch.nn.functional import pad

from skal_deep.classifier._linear_head_regressor import LinearHeadRegressor
from skal_deep.classifier._net_regressor import NetRegressor, net_embedding
from skal_deep.functional.gaussian_regression import linear_regression


class LaplaceRegressor(LinearHeadRegressor, NetRegressor):
    """Regression net with the exact posterior of its last layer.

    The net is trained as it is; then its last linear layer is replaced by a Bayesian
    linear regression on the embeddings [1]_. For a squared error that is exact but for
    the features, which stay as they are. A draw is one set of weights for all rows.

    Use it for scores: it takes one training, and any number of draws one pass.

    Parameters
    ----------
    net : skorch.NeuralNetRegressor
        The net, fully configured; it is cloned in ``fit``. Its module returns a number
        for each target.
    n_samples : int, default=100
        Number of draws where none is given.
    noise : float, "cv" or "evidence", default="cv"
        Variance of the noise, in the square of the unit of y. "cv" takes the squared
        error of held-out rows less their epistemic variance: five whole trainings,
        three with more than 500 labels, the first time that a prediction is asked for.
        "evidence" takes the one for which the targets are most probable, which is far
        too small, as the features were trained on them: do not read intervals off it.
    missing_label : scalar or nan, default=nan
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batch order, masks and draws.

    Attributes
    ----------
    nets_ : list of skorch.NeuralNetRegressor
        The fitted nets.
    noise_variance_ : float or ndarray of shape (n_targets,)
        Variance of the noise, in the square of the unit of y.

    See Also
    --------
    BayesianLinearRegressor : The same on the inputs, without a net.
    DeepEnsembleRegressor : Varies the features, too.
    LaplaceClassifier : The same for classes.

    Notes
    -----
    Targets are standardised on the labelled rows, each by itself. Without a label the
    nets keep their initial weights.
    The prior is that of the largest evidence. With noise="cv" the noise is the larger
    one of that by the evidence and that of held-out rows.

    References
    ----------
    .. [1] J. Snoek et al. Scalable Bayesian Optimization Using Deep Neural Networks.
       ICML, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skorch import NeuralNetRegressor
    >>> from skal_deep.classifier import LaplaceRegressor
    >>> from skal_deep.modules import MLP
    >>> X = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    >>> y = np.where(np.arange(20) % 2, np.sin(3 * X[:, 0]), np.nan)
    >>> net = NeuralNetRegressor(
    ...     MLP, module__n_features=1, module__n_classes=1, max_epochs=30, lr=0.01,
    ...     optimizer=torch.optim.Adam, train_split=None, verbose=0,
    ... )
    >>> reg = LaplaceRegressor(net, n_samples=7, random_state=0).fit(X, y)
    >>> reg.sample_predictions(X).shape
    (7, 20)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetRegressor._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "noise": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"cv", "evidence"}),
        ],
    }

    def __init__(
        self,
        net,
        n_samples=100,
        noise="cv",
        missing_label=MISSING_LABEL,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.net = net
        self.n_samples = n_samples
        self.noise = noise

    def _fit_nets(self, X, target, weight, seed):
        return [self._fit_net(X, target, weight, seed)]

    def _check_fit(self, shown):  # noqa: ARG002
        self._found_posterior = None

    def _with_nets(self, nets, known):
        """Return a view with other nets, and the noise of the evidence."""
        view = super()._with_nets(nets, known)
        view.noise, view._found_posterior = "evidence", None
        return view

    @property
    def _posterior(self):
        if self._found_posterior is None:
            self._found_posterior = self._regression()
        return self._found_posterior

    def _regression(self):
        """Return the posterior of the weights of the last layer, with its noise."""
        X, target, weight = self._known
        noise_T = None
        if not isinstance(self.noise, str):
            noise_T = self.noise / self._scale.square()
        n_outputs = target.shape[1]
        if not len(X):  # of no rows it takes the shape: the prior, of unit variance
            one = self._shown[:1]
            if not len(one):
                one = np.zeros((1, *self.row_shape_), dtype=np.float32)
            shape = net_embedding(self.nets_[0], one).shape[1] + 1
            unit_T = torch.ones(n_outputs, dtype=torch.float64)
            features_ND, target_NT = torch.zeros(0, shape), torch.zeros(0, n_outputs)
            return linear_regression(features_ND, target_NT, unit_T, float(shape))
        features_ND, target_NT = self._features(X), torch.tensor(target)
        if weight is not None:
            root_N1 = torch.tensor(weight).sqrt()[:, None]
            features_ND, target_NT = features_ND * root_N1, target_NT * root_N1
        if len(X) < 2:
            noise_T = torch.ones(n_outputs, dtype=torch.float64)
            ratio = float(features_ND.square().sum())
            return linear_regression(features_ND, target_NT, noise_T, ratio)
        found = linear_regression(features_ND, target_NT, noise_T)
        if self.noise != "cv":
            return found
        larger_T = torch.maximum(found.noise_T, self._noise_by_folds())
        ratio = found.ratio * float((larger_T / found.noise_T).mean())
        return linear_regression(features_ND, target_NT, larger_T, ratio)

    def _features(self, X):
        """Return embeddings in float64, with a one for the bias."""
        return pad(net_embedding(self.nets_[0], X).double(), (0, 1), value=1.0)
