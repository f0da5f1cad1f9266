"""A net for numbers whose weights are learned by probabilistic backpropagation."""

import warnings
from numbers import Integral
from typing import Any, ClassVar

import torch
from skactiveml.utils import MISSING_LABEL
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._linear_posterior import flat_rows
from skal_deep.classifier._posterior_regressor import PosteriorRegressor
from skal_deep.functional.probabilistic_backpropagation import (
    ProbabilisticNet,
    function_draws,
    predictive_moments,
)
from skal_deep.modules._rng import draw_generator

# Standard deviations of the targets; the mean of the targets is off by one.
_OFF = 2.0
# Below that many labels predictions were off by up to hundreds of deviations.
_FEW = 20


class PBPRegressor(PosteriorRegressor):
    """Regression net learned by probabilistic backpropagation (PBP).

    One hidden layer of ReLU units, all of whose weights are Gaussian. Each label
    updates their means and variances; the noise and the precision of the weights have
    Gamma distributions and are learned along [1]_. There is no learning rate, and
    variances of predictions are computed, not drawn.

    Use it for some dozens to a few hundred labels of vectors (with fewer than 20 it may
    diverge, and says so by a warning), where no skorch net is wanted and the
    epistemic variance of a whole net is: a label takes about a millisecond a pass.

    Parameters
    ----------
    n_hidden : int, default=50
        Number of hidden units.
    n_epochs : int, default=40
        Number of passes through the labels.
    n_samples : int, default=100
        Number of draws where none is given.
    missing_label : scalar or nan, default=nan
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of the weights at the start, of the order of labels and of draws.

    Attributes
    ----------
    noise_variance_ : float or ndarray of shape (n_targets,)
        Variance of the noise, in the square of the unit of y.

    See Also
    --------
    LaplaceRegressor : Any net; the posterior of its last layer alone.
    DeepEnsembleRegressor : Any net, trained several times.
    sklearn.gaussian_process.GaussianProcessRegressor : The usual choice for few labels.

    Notes
    -----
    Targets are standardised on the labelled rows. Features are not: put a
    ``StandardScaler`` before it in a Pipeline. Several targets have a net each.
    Weights of rows other than 0 and one other number are refused.

    References
    ----------
    .. [1] J. M. Hernandez-Lobato, R. Adams. Probabilistic Backpropagation for Scalable
       Learning of Bayesian Neural Networks. ICML, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.classifier import PBPRegressor
    >>> X = np.linspace(-2, 2, 40)[:, None]
    >>> y = np.where(np.arange(40) % 2, np.sin(X[:, 0]), np.nan)
    >>> reg = PBPRegressor(n_hidden=10, n_epochs=5, random_state=0).fit(X, y)
    >>> reg.sample_predictions(X, n_samples=7).shape
    (7, 40)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PosteriorRegressor._parameter_constraints,
        "n_hidden": [Interval(Integral, 1, None, closed="left")],
        "n_epochs": [Interval(Integral, 1, None, closed="left")],
        "n_samples": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        n_hidden=50,
        n_epochs=40,
        n_samples=100,
        missing_label=MISSING_LABEL,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_hidden = n_hidden
        self.n_epochs = n_epochs
        self.n_samples = n_samples

    def _fit_targets(self, X, labeled, target, weight):
        if weight is not None and len(weight) and (weight != weight[0]).any():
            raise ValueError(
                "PBPRegressor learns each label once a pass, and knows no weights: "
                "leave sample_weight out, or repeat rows."
            )
        rows_ND = flat_rows(X).double()
        sizes = [rows_ND.shape[1], self.n_hidden, 1]
        self._nets = []
        for output in range(target.shape[1]):
            seed = derived_seed(self.seed_, 0, output)
            net = ProbabilisticNet(sizes, torch.Generator().manual_seed(seed))
            net.learn(
                rows_ND[torch.as_tensor(labeled)],
                torch.as_tensor(target[:, output]),
                self.n_epochs,
            )
            net.forget_factors()
            self._nets.append(net)
        self._warn_of_divergence(rows_ND[torch.as_tensor(labeled)], target)

    def _warn_of_divergence(self, rows_ND, target):
        """Say that few labels may not hold the weights, or that they did not."""
        mean_NT = torch.stack(
            [predictive_moments(net.layers, rows_ND)[0] for net in self._nets], 1
        )
        off = (mean_NT - torch.as_tensor(target)).square().mean().sqrt().item()
        n = len(rows_ND)  # without a label it is the prior, which is as it should be
        if n and (n < _FEW or not off <= _OFF):
            warnings.warn(
                f"PBPRegressor has {n} labels, and its predictions of these "
                f"rows are off by {off:.2g} standard deviations of the targets. With "
                f"fewer than {_FEW} labels it may diverge between them: take a "
                "GaussianProcessRegressor until there are more.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _noise(self):
        noise = [net.noise.variance for net in self._nets]
        return torch.tensor(noise, dtype=torch.float64)

    def _mean_and_variance(self, X):
        rows_ND = flat_rows(X).double()
        both = [predictive_moments(net.layers, rows_ND) for net in self._nets]
        mean_NT, variance_NT = (
            torch.stack(part, 1) for part in zip(*both, strict=True)
        )
        return mean_NT, variance_NT

    def _draws(self, X, n_samples, seed):
        rows_ND, draws = flat_rows(X).double(), []
        for draw in range(n_samples or self.n_samples):
            generator = draw_generator(seed, draw)
            outputs = []
            for net in self._nets:
                noise = [
                    torch.randn(layer.mean_HD.shape, generator=generator).double()
                    for layer in net.layers
                ]
                outputs.append(function_draws(net.layers, rows_ND, noise))
            draws.append(torch.stack(outputs, 1))
        return torch.stack(draws)
