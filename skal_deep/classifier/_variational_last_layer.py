"""Gaussian weights of the last layer, learned with the net, as a posterior."""

from functools import partial
from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from skorch import NeuralNet
from torch import Tensor, nn

from skal_deep._devices import computable
from skal_deep.classifier._posterior import SingleNetPosterior
from skal_deep.classifier.net._answers import (
    last_linear,
    net_proba,
    own_output,
    with_embeddings,
)
from skal_deep.classifier.net._criterion import (
    check_logits,
    check_replaceable_criterion,
)
from skal_deep.classifier.net._fit import train_net
from skal_deep.classifier.net._head import net_head
from skal_deep.classifier.net._joint_training import joint_loss
from skal_deep.classifier.net._output import (
    SOFTMAX,
    as_float,
    check_net_proba,
    head_tolerance,
)
from skal_deep.modules._gaussian_weights import (
    drawn_weights,
    gaussian_weights,
    weight_divergence,
)
from skal_deep.modules._rng import draw_generator
from skal_deep.modules._variational_linear import VariationalLinear, VariationalLoss


class VariationalLastLayerClassifier(SingleNetPosterior):
    """Neural net that learns a Gaussian over the weights of its last layer.

    Variational Bayesian last layer [1]_: means and variances of these weights are
    trained with the rest of the net, by a bound of the likelihood in closed form, so
    that training draws nothing. A draw is one set of last weights for all rows, and any
    number of draws takes a single pass.

    Use it when training may change for the posterior's sake and prediction must be
    quick; :class:`LaplaceClassifier` reads one off an ordinary training.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. Its module ends in a linear
        layer with one output a class, logits. The loss takes the place of its
        criterion. See :class:`DeepClassifier`.
    n_samples : int, default=100
        Number of draws that a prediction averages.
    prior_scale : float, default=2.0
        Standard deviation of the prior of a weight, times the square root of the number
        of inputs of the layer.
    initial_scale : float, default=0.1
        Standard deviation of a weight at the start, in the same unit. Before the first
        label it is that of the prior.
    divergence_weight : float, default=1.0
        Weight of the divergence from the prior, which is divided by the number of
        labels; 1 is the bound of the evidence.
    augment : callable, default=None
        Takes and returns the inputs of a mini-batch of training, as a tensor.
        Predictions and queries see rows as they are. It may draw from torch's global
        generator, which the fit seeds and puts back.
    embedding_layer : str, default=None
        Name of the layer of the module whose input is the embedding. ``None`` is the
        linear layer that runs last.
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
        The fitted net. Asked by itself, it predicts by the means.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    LaplaceClassifier : A Gaussian fitted to the last layer after the training.
    BayesByBackpropClassifier : A Gaussian over the weights of all layers.

    Notes
    -----
    Variances are independent, and the bias has none. The Gaussian noise that [1]_ adds
    to the logits is left out: a draw is to be one function of a row, and the softmax
    is noise already. Validation by ``train_split`` is the cross-entropy of the means.

    References
    ----------
    .. [1] J. Harrison, J. Willes, J. Snoek. Variational Bayesian Last Layers. ICLR,
       2024.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import VariationalLastLayerClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = VariationalLastLayerClassifier(net)
    >>> clf = clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1])
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
        n_samples=100,
        prior_scale=2.0,
        initial_scale=0.1,
        divergence_weight=1.0,
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

    def _fit_nets(self, *, shown, **data):
        check_replaceable_criterion(self.net, type(self).__name__)
        scale = self.initial_scale if len(data["y"]) else self.prior_scale

        def spread(net: NeuralNet) -> None:
            check_logits(net, shown, type(self).__name__)
            if len(shown):
                net_head(net, shown)  # which refuses what is no head
            self._head = last_linear(net, shown)
            net.module_ = _with_layer(
                net.module_,
                self._head,
                VariationalLinear(net.module_.get_submodule(self._head), scale),
            )
            net.set_params(criterion=VariationalLoss(), predict_nonlinearity=SOFTMAX)
            net.initialize_optimizer()  # the one there is knows the layer that was

        return [self._fit_net(prepare=spread, train=self._train, shown=shown, **data)]

    def _train(self, net: NeuralNet, X: Any, y: Any, weight: Any) -> None:
        """Train the net and the spreads of its last layer."""
        share = self.divergence_weight / len(y)
        weights = gaussian_weights(net.module_)

        def divergence(*_: Any) -> Tensor:
            return share * weight_divergence(weights, self.prior_scale)

        with joint_loss(net, divergence):
            train_net(net, X, y, weight)

    def _check_fit(self, shown):
        self._check_draws(shown, "Do all inputs of the last linear layer vanish?")

    def _sites(self):
        """Describe what differs from draw to draw."""
        return [f"weights of the last linear layer {self._head!r}"]

    def _draw(self, X, n_samples, seed):
        """Return coupled draws of the class probabilities as a tensor (S, N, C)."""
        [net] = self.nets_
        layer: Any = net.module_.get_submodule(self._head)
        [weight] = gaussian_weights(layer)
        output_NC, features_ND = with_embeddings(
            partial(own_output, net, X), net.module_, self._head
        )
        noise = [
            torch.randn(weight.mean.shape, generator=draw_generator(seed, draw))
            for draw in range(n_samples or self.n_samples)
        ]
        with torch.no_grad():
            logits_NC = computable(
                nn.functional.linear(
                    features_ND.to(weight.mean), weight.mean, layer.bias
                )
            )
            tolerance = head_tolerance(as_float(logits_NC), output_NC.dtype)
            if not torch.allclose(
                as_float(logits_NC), as_float(output_NC), atol=tolerance
            ):
                # a hook on the net, of the caller's, changes what the layer returns
                return torch.stack([self._whole(net, X, weight, n) for n in noise])
            spread_SCD = weight.scale * torch.stack(noise).to(weight.mean)
            spread_SCD = computable(as_float(spread_SCD))
            logits_SNC = as_float(logits_NC) + features_ND @ spread_SCD.mT
        return check_net_proba(net, logits_SNC.softmax(-1), n_axes=3)

    def _whole(self, net, X, weight, noise):
        """Return probabilities by a whole pass with drawn weights."""
        with drawn_weights([weight], [noise]):
            return net_proba(net, X)


def _with_layer(module: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """Return the module with another layer of that name."""
    if not name:
        return layer
    parent, _, attribute = name.rpartition(".")
    setattr(module.get_submodule(parent), attribute, layer)
    return module
