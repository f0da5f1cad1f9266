"""An ensemble of nets that predict numbers."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from skactiveml.utils import MISSING_LABEL
from sklearn.utils._param_validation import Interval, StrOptions

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._net_regressor import DrawingRegressor
from skal_deep.classifier.net._criterion import check_replaceable_criterion
from skal_deep.modules._gaussian_loss import GaussianLoss, mean_and_variance

_LEARNED = StrOptions({"learned"})


class DeepEnsembleRegressor(DrawingRegressor):
    """Ensemble of regression nets that start from different weights.

    The members are the draws [1]_: they differ in initial weights and batch order.

    Use it when several trainings are affordable and the net has no dropout.

    Parameters
    ----------
    net : skorch.NeuralNetRegressor
        The net, fully configured; it is cloned in ``fit``. Its module returns a number
        for each target; with ``noise="learned"`` two, first all means, then as many
        numbers whose softplus is a variance, and its criterion is replaced.
    n_estimators : int, default=5
        Number of members.
    noise : float, "cv" or "learned", default="cv"
        Variance of the noise, in the square of the unit of y. "cv" takes the squared
        error of held-out rows less their epistemic variance: five whole trainings,
        three with more than 500 labels, the first time that it is asked for. "learned"
        has each net say the variance of each row, for noise that differs from row to
        row [2]_.
    missing_label : scalar or nan, default=nan
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batch order, masks and draws.

    Attributes
    ----------
    nets_ : list of skorch.NeuralNetRegressor
        The fitted nets.
    noise_variance_ : float or ndarray of shape (n_targets,)
        Variance of the noise, in the square of the unit of y; with "learned" there is
        none, see :meth:`predict_variance`.

    See Also
    --------
    LaplaceRegressor : One training, and any number of draws.
    MCDropoutRegressor : One training of a net with dropout.
    DeepEnsembleClassifier : The same for classes.

    Notes
    -----
    Targets are standardised on the labelled rows, each by itself. Without a label the
    nets keep their initial weights.
    A learned noise is that of the mixture of the members: the variance of a label is
    the variance of their means, which labels reduce and which BALD asks for, plus the
    mean of their variances. With few labels the variances are fitted as closely as the
    means, and intervals are too short: below some hundreds of labels prefer "cv".
    Covariances of a handful of members are noise: take ``LaplaceRegressor`` for EPIG
    and BatchBALD.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel, C. Blundell. Simple and Scalable Predictive
       Uncertainty Estimation using Deep Ensembles. NeurIPS, 2017.
    .. [2] M. Seitzer, A. Tavakoli, D. Antic, G. Martius. On the Pitfalls of
       Heteroscedastic Uncertainty Estimation with Probabilistic Neural Networks. ICLR,
       2022.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skorch import NeuralNetRegressor
    >>> from skal_deep.classifier import DeepEnsembleRegressor
    >>> from skal_deep.modules import MLP
    >>> X = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    >>> y = np.where(np.arange(20) % 2, np.sin(3 * X[:, 0]), np.nan)
    >>> net = NeuralNetRegressor(
    ...     MLP, module__n_features=1, module__n_classes=1, max_epochs=30, lr=0.01,
    ...     optimizer=torch.optim.Adam, train_split=None, verbose=0,
    ... )
    >>> reg = DeepEnsembleRegressor(net, n_estimators=3, random_state=0).fit(X, y)
    >>> reg.sample_predictions(X).shape
    (3, 20)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DrawingRegressor._parameter_constraints,
        "n_estimators": [Interval(Integral, 2, None, closed="left")],
        "noise": [*DrawingRegressor._parameter_constraints["noise"], _LEARNED],
    }

    def __init__(
        self,
        net,
        n_estimators=5,
        noise="cv",
        missing_label=MISSING_LABEL,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.net = net
        self.n_estimators = n_estimators
        self.noise = noise

    def _fit_nets(self, X, target, weight, seed):
        params = {}
        if self.noise == "learned":
            check_replaceable_criterion(self.net, type(self).__name__)
            params["criterion"] = GaussianLoss
            # a net wants targets in the shape of what its module returns
            target = np.concatenate([target, np.zeros_like(target)], axis=1)
        return [
            self._fit_net(X, target, weight, derived_seed(seed, 2, member), **params)
            for member in range(self.n_estimators)
        ]

    def _noise_of_draws(self, X):
        if self.noise != "learned":
            return self._noise()
        outputs = [self._output(net, X) for net in self.nets_]
        return torch.stack([mean_and_variance(output_NO)[1] for output_NO in outputs])

    def _draws(self, X, n_samples, seed):  # noqa: ARG002
        """Return the members' predictions; these are all the draws there are."""
        outputs = [self._output(net, X) for net in self.nets_]
        if self.noise == "learned":
            outputs = [mean_and_variance(output_NO)[0] for output_NO in outputs]
        return torch.stack(outputs)
