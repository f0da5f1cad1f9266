"""A Gaussian around the end of training as the posterior of a net for numbers."""

from collections.abc import Iterator
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

from skactiveml.utils import MISSING_LABEL
from sklearn.base import clone
from sklearn.utils._param_validation import Interval
from skorch import NeuralNet
from torch import Tensor

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._net_regressor import DrawingRegressor
from skal_deep.classifier._swag import swag_answers
from skal_deep.classifier.net._answers import refresh_statistics
from skal_deep.classifier.net._bare_nets import as_targets
from skal_deep.classifier.net._fit import train_on
from skal_deep.exceptions import CapabilityError
from skal_deep.functional.swag import swag_moments
from skal_deep.modules import isolated_rng
from skal_deep.modules._weights import (
    batch_norms,
    set_trained_weights,
    trained_weights,
)

# Mini-batches while weights are collected hold at most this share of the labels: where
# all fit into one, the weights hardly move.
_MOST_OF_LABELS = 4


class SWAGRegressor(DrawingRegressor):
    """Regression net with stochastic weight averaging Gaussian (SWAG) as posterior.

    After its training, the net is trained on for ``n_collected`` epochs at a constant
    learning rate; a draw is a set of weights from the Gaussian with the moments of the
    weights on that way, the same for all rows [1]_.

    Use it when the net has no dropout and can be trained for some further epochs. Its
    variances are small where labels are few: compare :class:`DeepEnsembleRegressor`.

    Parameters
    ----------
    net : skorch.NeuralNetRegressor
        The net, fully configured; it is cloned in ``fit``. Its module returns a number
        for each target.
    n_samples : int, default=30
        Number of draws that a prediction averages.
    n_collected : int, default=20
        Number of epochs, after those of the net, whose weights are collected. In these
        a mini-batch holds at most a quarter of the labels.
    collect_lr : float, default=None
        Learning rate of these epochs; ``None`` is the net's own. The higher it is,
        the wider the posterior.
    max_rank : int, default=20
        Number of deviations that are kept: the latest ones.
    noise : float or "cv", default="cv"
        Variance of the noise, in the square of the unit of y. "cv" takes the squared
        error of held-out rows less their epistemic variance: five whole trainings,
        three with more than 500 labels, the first time that it is asked for.
    missing_label : scalar or nan, default=nan
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batch order, training noise and draws.

    Attributes
    ----------
    nets_ : list of skorch.NeuralNetRegressor
        The fitted net, with the mean of the collected weights.
    noise_variance_ : float or ndarray of shape (n_targets,)
        Variance of the noise, in the square of the unit of y.

    See Also
    --------
    LaplaceRegressor : A Gaussian on the last layer, in closed form.
    DeepEnsembleRegressor : Several trainings; varies more.
    SWAGClassifier : The same for classes, with the details.

    Notes
    -----
    Targets are standardised on the labelled rows, each by itself.

    References
    ----------
    .. [1] W. Maddox, T. Garipov, P. Izmailov, D. Vetrov, A. Wilson. A Simple Baseline
       for Bayesian Uncertainty in Deep Learning. NeurIPS, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skorch import NeuralNetRegressor
    >>> from skal_deep.classifier import SWAGRegressor
    >>> from skal_deep.modules import MLP
    >>> X = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    >>> y = np.where(np.arange(20) % 2, np.sin(3 * X[:, 0]), np.nan)
    >>> net = NeuralNetRegressor(
    ...     MLP, module__n_features=1, module__n_classes=1, max_epochs=30, lr=0.01,
    ...     optimizer=torch.optim.Adam, train_split=None, verbose=0,
    ... )
    >>> reg = SWAGRegressor(net, n_collected=5, random_state=0).fit(X, y)
    >>> reg.sample_predictions(X, n_samples=7).shape
    (7, 20)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DrawingRegressor._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "n_collected": [Interval(Integral, 2, None, closed="left")],
        "collect_lr": [Interval(Real, 0, None, closed="neither"), None],
        "max_rank": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        net,
        n_samples=30,
        n_collected=20,
        collect_lr=None,
        max_rank=20,
        noise="cv",
        missing_label=MISSING_LABEL,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.net = net
        self.n_samples = n_samples
        self.n_collected = n_collected
        self.collect_lr = collect_lr
        self.max_rank = max_rank
        self.noise = noise

    def _fit_nets(self, X, target, weight, seed):
        net = self._fit_net(X, target, weight, seed)
        walk = self._walk(net, X, target, weight, seed)
        # beside the weights, so that nets of folds bring their own
        net.moments_ = swag_moments(walk, self.max_rank)
        if not net.moments_.mean.is_cpu:  # pickled as weights are, to be read anywhere
            of_card = [*net.cuda_dependent_attributes_, "moments_"]
            net.cuda_dependent_attributes_ = of_card
        set_trained_weights(net.module_, net.moments_.mean)
        refresh_statistics(net, X)
        net.labeled_rows_ = X if batch_norms(net.module_) else X[:0]
        return [net]

    def _walk(self, net, X, target, weight, seed) -> Iterator[Tensor]:
        """Train a copy of the net on, and yield its weights after each epoch."""
        if not len(X):
            for number in range(self.n_collected):
                fresh = self._fit_net(X, target, weight, derived_seed(seed, 4, number))
                yield trained_weights(fresh.module_)
            return
        with isolated_rng(seed):
            walker: NeuralNet = clone(self.net).initialize()
        walker.module_.load_state_dict(net.module_.state_dict())
        walker.callbacks_ = []
        most = max(1, len(X) // _MOST_OF_LABELS)
        size = walker.batch_size if walker.batch_size > 0 else len(X)
        walker.set_params(max_epochs=1, batch_size=min(size, most))
        if self.collect_lr is not None:
            walker.set_params(lr=self.collect_lr)
        shaped = as_targets(walker, X, target)
        for epoch in range(self.n_collected):
            with isolated_rng(derived_seed(seed, 4, epoch)):
                train_on(walker, X, shaped, weight)
            yield trained_weights(walker.module_)

    def _check_fit(self, shown):
        if len(shown) and not self._draws(shown, 2, 0).var(0).any():
            [net] = self.nets_
            raise CapabilityError(
                f"{type(net.module_).__name__} predicts the same with all draws of its "
                "weights: do they move in training? With no label yet, pass the module "
                "as a class, not an instance; else raise the learning rate."
            )

    def _draws(self, X, n_samples, seed):
        [net] = self.nets_
        n_samples = n_samples or self.n_samples
        ask = partial(self._output, X=X)
        return swag_answers(net, net.moments_, net.labeled_rows_, n_samples, seed, ask)
