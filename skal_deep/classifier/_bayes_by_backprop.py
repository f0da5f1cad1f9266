"""A Gaussian over each weight, learned by gradients, as a posterior."""

from functools import partial
from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from skorch import NeuralNet

from skal_deep.classifier._posterior import SingleNetPosterior
from skal_deep.classifier.net._answers import net_proba
from skal_deep.classifier.net._fit import train_net
from skal_deep.classifier.net._interrupts import replace_methods
from skal_deep.exceptions import CapabilityError
from skal_deep.modules._gaussian_weights import (
    drawn_weights,
    gaussian_weights,
    gradients_of_spreads,
    spread_weights,
    weight_divergence,
)
from skal_deep.modules._rng import draw_generator


class BayesByBackpropClassifier(SingleNetPosterior):
    """Neural net with a Gaussian over each weight, learned by backpropagation.

    Training learns a mean and a standard deviation for each weight: each step draws the
    weights anew, and the loss has the divergence of their distribution from a prior
    [1]_. A draw is one set of weights for all rows; the prediction is the mean over
    draws.

    Use it for small nets, when the uncertainty of all weights is to be learned and not
    read off a trained net. Where weights are many and labels few, the paper's weight of
    the divergence wins over the labels: with 100 labels of the digits, an MLP then
    predicted by chance. Hence the small default of ``divergence_weight``.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. The prior takes the place of
        weight decay. See :class:`DeepClassifier`.
    n_samples : int, default=30
        Number of draws that a prediction averages.
    prior_scale : float, default=2.0
        Standard deviation of the prior of a weight, times the square root of the number
        of inputs of its unit.
    initial_scale : float, default=0.1
        Standard deviation of a weight at the start, in the same unit. Before the first
        label it is that of the prior.
    divergence_weight : float, default=0.01
        Weight of the divergence, which is divided by the number of labels; 1 is the
        paper's, the bound of the evidence.
    augment : callable, default=None
        Takes and returns the inputs of a mini-batch of training, as a tensor.
        Predictions and queries see rows as they are. It may draw from torch's global
        generator, which the fit seeds and puts back.
    embedding_layer : str, default=None
        Name of the layer of the module whose input is the embedding, by the means of
        the weights. ``None`` is the linear layer that runs last.
    classes : array-like of shape (n_classes,), default=None
        All classes. ``None`` takes those that the labels show.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    cost_matrix : array-like of shape (n_classes, n_classes), default=None
        Costs ``[i, j]`` of predicting class j for class i.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batch order, training noise and draws.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        All classes, sorted.
    nets_ : list of skorch.NeuralNetClassifier
        The fitted net, whose weights are the means. Asked by itself, it predicts by
        them.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    VariationalLastLayerClassifier : The same for the last layer alone, without draws.
    SWAGClassifier : A Gaussian around the end of an ordinary training.
    LaplaceClassifier : A Gaussian around trained weights of the last layer.

    Notes
    -----
    Weights with two axes or more have a distribution; biases and the parameters of
    normalisations are trained as ever. All rows of a mini-batch share the weights that
    are drawn for it, and dropout of the module stays a part of training. Validation by
    ``train_split`` is by the means.

    References
    ----------
    .. [1] C. Blundell, J. Cornebise, K. Kavukcuoglu, D. Wierstra. Weight Uncertainty in
       Neural Networks. ICML, 2015.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import BayesByBackpropClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = BayesByBackpropClassifier(net).fit([[0.0], [1.0], [2.0]], [0, 1, -1])
    >>> clf.sample_proba([[0.5]], n_samples=7, random_state=0).shape
    (7, 1, 2)
    """

    _parameter_constraints = {
        **SingleNetPosterior._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "prior_scale": [Interval(Real, 0, None, closed="neither")],
        "initial_scale": [Interval(Real, 0, None, closed="neither")],
        "divergence_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        net,
        n_samples=30,
        prior_scale=2.0,
        initial_scale=0.1,
        divergence_weight=0.01,
        augment=None,
        embedding_layer=None,
        classes=None,
        missing_label=-1,
        cost_matrix=None,
        random_state=None,
    ):
        super().__init__(
            classes=classes,
            missing_label=missing_label,
            cost_matrix=cost_matrix,
            random_state=random_state,
        )
        self.net = net
        self.n_samples = n_samples
        self.prior_scale = prior_scale
        self.initial_scale = initial_scale
        self.divergence_weight = divergence_weight
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, **data):
        scale = self.initial_scale if len(data["y"]) else self.prior_scale

        def spread(net: NeuralNet) -> None:
            spread_weights(net.module_, scale)
            if not gaussian_weights(net.module_):
                raise CapabilityError(
                    f"{type(net.module_).__name__} has no trained weights of two axes "
                    "or more, whose distribution could be learned. Use "
                    "DeepEnsembleClassifier."
                )
            net.initialize_optimizer()  # the one there is knows no spreads

        return [self._fit_net(prepare=spread, train=self._train, **data)]

    def _train(self, net: NeuralNet, X: Any, y: Any, weight: Any) -> None:
        """Train means and spreads."""
        step = partial(self._step, net, net.train_step_single, len(y))
        with replace_methods(net, train_step_single=step):
            train_net(net, X, y, weight)

    def _step(self, net, own, n_rows, batch, **params) -> dict[str, Any]:
        """Compute the gradients of a mini-batch at drawn weights."""
        weights = gaussian_weights(net.module_)
        noise = [torch.randn_like(w.mean) for w in weights]
        with drawn_weights(weights, noise):
            step = own(batch, **params)
        gradients_of_spreads(weights, noise)
        divergence = weight_divergence(weights, self.prior_scale)
        divergence = divergence * (self.divergence_weight / n_rows)
        divergence.backward()
        return {**step, "loss": step["loss"] + divergence.detach()}

    def _check_fit(self, shown):
        self._check_draws(
            shown,
            "Is initial_scale so small that round-off hides it?",
        )

    def _sites(self):
        """Describe what differs from draw to draw."""
        weights = gaussian_weights(self.nets_[0].module_)
        return [f"{sum(w.mean.numel() for w in weights)} weights of the net"]

    def _draw(self, X, n_samples, seed):
        """Return coupled draws of the class probabilities as a tensor (S, N, C)."""
        [net] = self.nets_
        weights, draws = gaussian_weights(net.module_), []
        for draw in range(n_samples or self.n_samples):
            generator = draw_generator(seed, draw)
            noise = [torch.randn(w.mean.shape, generator=generator) for w in weights]
            with drawn_weights(weights, noise):
                draws.append(net_proba(net, X))
        return torch.stack(draws)
