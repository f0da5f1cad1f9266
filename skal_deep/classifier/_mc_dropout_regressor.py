"""A net that predicts numbers, with its dropout as the posterior."""

from numbers import Integral
from typing import Any, ClassVar

from skactiveml.utils import MISSING_LABEL
from sklearn.utils._param_validation import Interval

from skal_deep.classifier._net_regressor import DrawingRegressor
from skal_deep.classifier.net._dropout_draws import dropout_output
from skal_deep.exceptions import CapabilityError


class MCDropoutRegressor(DrawingRegressor):
    """Regression net whose dropout, left on, is the posterior.

    A draw is one mask a layer for all rows [1]_. The prediction is the mean over draws.

    Use it when the net has dropout, and one training has to do.

    Parameters
    ----------
    net : skorch.NeuralNetRegressor
        The net, fully configured; it is cloned in ``fit``. Its module returns a number
        for each target.
    n_samples : int, default=50
        Number of draws that a prediction averages.
    noise : float or "cv", default="cv"
        Variance of the noise, in the square of the unit of y. "cv" takes the squared
        error of held-out rows less their epistemic variance: five whole trainings,
        three with more than 500 labels, the first time that it is asked for.
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
    LaplaceRegressor : Any number of draws by one pass.
    SWAGRegressor : One training of a net without dropout.
    DeepEnsembleRegressor : Several trainings; needs no dropout.
    MCDropoutClassifier : The same for classes.

    Notes
    -----
    Targets are standardised on the labelled rows, each by itself. Without a label the
    nets keep their initial weights.
    The noise is not the one that dropout's rate and weight decay imply, but that of
    held-out rows.

    References
    ----------
    .. [1] Y. Gal, Z. Ghahramani. Dropout as a Bayesian Approximation: Representing
       Model Uncertainty in Deep Learning. ICML, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skorch import NeuralNetRegressor
    >>> from skal_deep.classifier import MCDropoutRegressor
    >>> from skal_deep.modules import MLP
    >>> X = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    >>> y = np.where(np.arange(20) % 2, np.sin(3 * X[:, 0]), np.nan)
    >>> net = NeuralNetRegressor(
    ...     MLP, module__n_features=1, module__n_classes=1, max_epochs=30, lr=0.01,
    ...     optimizer=torch.optim.Adam, train_split=None, verbose=0,
    ... )
    >>> reg = MCDropoutRegressor(net, n_samples=7, random_state=0).fit(X, y)
    >>> reg.sample_predictions(X).shape
    (7, 20)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DrawingRegressor._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        net,
        n_samples=50,
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

    def _check_fit(self, shown):
        if len(shown) and not self._draws(shown, 8, 0).var(0).any():
            [net] = self.nets_
            raise CapabilityError(
                f"{type(net.module_).__name__} predicts the same under all masks: it "
                "has no nn.Dropout layer with p > 0, or drops by a function. Add one "
                "before a layer, or use DeepEnsembleRegressor or LaplaceRegressor."
            )

    def _draws(self, X, n_samples, seed):
        [net] = self.nets_
        output = dropout_output(net, X, n_samples or self.n_samples, seed)
        return output.reshape(*output.shape[:2], -1).double().cpu()
