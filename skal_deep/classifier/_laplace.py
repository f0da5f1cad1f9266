"""A Gaussian on the weights of the last layer as a posterior."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from skal_deep._devices import computable
from skal_deep._modes import plain_torch
from skal_deep.classifier._posterior import SingleNetPosterior
from skal_deep.classifier.net._answers import (
    last_linear,
    net_proba,
    own_output,
    with_embeddings,
)
from skal_deep.classifier.net._fit import rows_that_count
from skal_deep.classifier.net._output import (
    as_float,
    check_net_proba,
    head_tolerance,
    to_proba,
)
from skal_deep.exceptions import CapabilityError
from skal_deep.functional.laplace import evidence_precision, ggn, laplace_weights
from skal_deep.modules._hooks import as_before
from skal_deep.modules._rng import draw_generator, one_thread_at_a_time
from skal_deep.rows._row_weights import of_mean_one

# nn.Linear draws its weights uniformly between -1 / sqrt(D) and 1 / sqrt(D), with the
# variance 1 / (3 D).
_INITIAL_PRECISION = 3


_CROSS_ENTROPIES = (nn.CrossEntropyLoss.forward, nn.NLLLoss.forward)


class LaplaceClassifier(SingleNetPosterior):
    """Neural net with a Laplace approximation of its last layer as the posterior.

    The net is trained as it is; then a Gaussian is fitted to the posterior of the
    weights of its last linear layer, in closed form [1]_, [2]_. A draw is one set of
    these weights for all rows. Any number of draws takes a single pass through the
    net and a matrix product.

    Use it when the net is trained as it should be and only lacks a posterior: it
    changes nothing in the training.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. Its module ends in a linear
        layer with one output a class, or in the softmax of it. See
        :class:`DeepClassifier`.
    n_samples : int, default=100
        Number of draws that a prediction averages.
    structure : {"full", "kron", "diag"}, default="kron"
        Structure of the precision matrix. With C classes and D features, "full" takes
        time O((CD)^3), so up to CD = 2,000 or so; "kron" O(C^3 + D^3); "diag" O(CD).
    prior_precision : float, "evidence" or None, default=None
        Inverse variance of the Gaussian prior of the weights. ``None`` is that of
        torch's initial weights, three times the number D of features. After training
        with an L2 penalty it is the weight decay times the number of rows.
        "evidence" maximises the evidence of the labels [1]_.
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
        The fitted net.
    curvature_ : Curvature
        Curvature of the loss at the labelled rows.
    prior_precision_ : float
        The prior precision, as given or found.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    MCDropoutClassifier : A posterior on all layers, for nets with dropout.
    SWAGClassifier : A Gaussian on the weights of all layers.
    skal_deep.functional.evidence_precision : The prior precision by the evidence.

    Notes
    -----
    The posterior is ``N(W, (H + prior_precision I)^-1)`` with the trained weights W,
    bias included, and the generalised Gauss-Newton matrix H of the labelled rows, in
    eval mode and float64. Sample weights are scaled to the mean 1; rows of weight 0 are
    left out. A criterion's ``weight`` and ``label_smoothing`` count as they do in the
    loss. With no label at all it is the prior around the initial weights, with ``None``
    in place of "evidence". The evidence assumes that the trained weights are the
    maximum of the posterior. After dropout or early stopping they are not, and in our
    tests the posterior was then far too wide; so it was for a precision of 1 with a
    hundred features. ``fit`` raises ``CapabilityError`` for a module that does more
    with its last linear layer than a softmax.

    References
    ----------
    .. [1] D. MacKay. A Practical Bayesian Framework for Backpropagation Networks.
       Neural Computation 4, 1992.
    .. [2] E. Daxberger, A. Kristiadi, A. Immer, R. Eschenhagen, M. Bauer, P. Hennig.
       Laplace Redux: Effortless Bayesian Deep Learning. NeurIPS, 2021.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import LaplaceClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = LaplaceClassifier(net).fit([[0.0], [1.0], [2.0]], [0, 1, -1])
    >>> clf.sample_proba([[0.5]], n_samples=8).shape
    (8, 1, 2)
    """

    _parameter_constraints = {
        **SingleNetPosterior._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "structure": [StrOptions({"full", "kron", "diag"})],
        "prior_precision": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"evidence"}),
            None,
        ],
    }

    def __init__(
        self,
        net,
        n_samples=100,
        structure="kron",
        prior_precision=None,
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
        self.structure = structure
        self.prior_precision = prior_precision
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, start_from, X, y, sample_weight, shown):
        net = self._fit_net(
            start_from=start_from,
            X=X,
            y=y,
            sample_weight=sample_weight,
            shown=shown,
            prepare=self._check_criterion,
        )
        with plain_torch():
            self._fit_posterior(net, X, y, sample_weight, shown)
        return [net]

    def _fit_posterior(self, net, X, y, sample_weight, shown):
        """Compute the curvature at the trained weights, and the prior's precision."""
        self._head = last_linear(net, shown)
        self._check_head(net, shown)
        X, y, sample_weight = rows_that_count(X, y, sample_weight)
        weight_N = weights_of_rows(net.criterion_, y, sample_weight)
        weights_CD = self._weights(net)
        features_ND = self._features(net, X) if len(y) else weights_CD[:0]
        self.curvature_ = ggn(
            features_ND,
            (features_ND @ weights_CD.T).softmax(-1),
            torch.as_tensor(weight_N, device=weights_CD.device),
            self.structure,
        )
        self.prior_precision_ = self.prior_precision
        if self.prior_precision in (None, "evidence"):
            layer = net.module_.get_submodule(self._head)
            self.prior_precision_ = _INITIAL_PRECISION * layer.in_features
        if self.prior_precision == "evidence" and len(y):
            self.prior_precision_ = evidence_precision(weights_CD, self.curvature_)

    def _check_criterion(self, net):
        """Refuse a criterion other than the cross-entropy: its curvature is unknown."""
        if type(net.criterion_).forward not in _CROSS_ENTROPIES:
            raise CapabilityError(
                "LaplaceClassifier knows the curvature of the cross-entropy; the "
                f"criterion of the net is {type(net.criterion_).__name__}. Use "
                "criterion=torch.nn.CrossEntropyLoss, which may have a weight and "
                "label_smoothing, or SWAGClassifier or DeepEnsembleClassifier."
            )

    def _weights(self, net):
        """Return the weights of the last layer, its bias as the last column."""
        layer = net.module_.get_submodule(self._head)
        if layer.bias is None:
            return computable(as_float(layer.weight.detach()))
        both = torch.cat([layer.weight, layer.bias[:, None]], dim=1)
        return computable(as_float(both.detach()))

    def _features(self, net, X):
        """Return the inputs of the last layer, with a one for its bias."""
        return self._output_and_features(net, X)[1]

    def _output_and_features(self, net, X):
        """Return the module's output and the inputs of the last layer, of one pass."""
        output_NC, features_ND = with_embeddings(
            lambda: own_output(net, X), net.module_, self._head
        )
        if net.module_.get_submodule(self._head).bias is None:
            return output_NC, features_ND
        ones_N1 = torch.ones_like(features_ND[:, :1])
        return output_NC, torch.cat([features_ND, ones_N1], dim=1)

    def _check_head(self, net, shown):
        """Refuse a module that does more with its last linear layer than a softmax."""
        if not len(shown):
            return
        output_NC, features_ND = self._output_and_features(net, shown)
        if not self._is_head(net, features_ND, self._weights(net), output_NC):
            raise CapabilityError(
                f"{type(net.module_).__name__} does not return its last linear layer's "
                f"output {self._head!r}, one column a class, or the softmax of it. "
                "Change the module, or use SWAGClassifier or DeepEnsembleClassifier."
            )

    def _is_head(self, net, features_ND, weights_CD, output_NC):
        """Return whether probabilities are the softmax of the last linear layer."""
        if features_ND.shape[1] != weights_CD.shape[1]:
            return False
        logits_NC = features_ND @ weights_CD.T
        proba_NC = check_net_proba(net, to_proba(net)(output_NC))
        dtype = output_NC.dtype  # under autocast another than that of the weights
        return logits_NC.shape == proba_NC.shape and torch.allclose(
            logits_NC.softmax(-1), proba_NC, atol=head_tolerance(logits_NC, dtype)
        )

    def _sites(self):
        """Describe what differs from draw to draw."""
        return [f"weights of the last linear layer {self._head!r}"]

    @plain_torch()
    def _draw(self, X, n_samples, seed):
        """Return coupled draws of the class probabilities as a tensor (S, N, C)."""
        [net] = self.nets_
        weights_CD = self._weights(net)
        output_NC, features_ND = self._output_and_features(net, X)
        noise = [
            torch.randn(weights_CD.shape, generator=draw_generator(seed, draw))
            for draw in range(n_samples or self.n_samples)
        ]
        weights_SCD = laplace_weights(
            weights_CD,
            self.curvature_,
            self.prior_precision_,
            torch.stack(noise).to(weights_CD.device),
        )
        weights_SCD = weights_SCD.to(features_ND)
        if not self._is_head(net, features_ND, weights_CD, output_NC):
            # a hook on the net, of the caller's, changes what the layer returns
            proba_SNC = torch.stack([self._whole(net, X, w_CD) for w_CD in weights_SCD])
        else:
            proba_SNC = (features_ND @ weights_SCD.mT).softmax(-1)
        return check_net_proba(net, proba_SNC, n_axes=3)

    def _whole(self, net, X, weights_CD):
        """Return probabilities by whole passes with other weights of the last layer."""
        layer = net.module_.get_submodule(self._head)
        has_bias = layer.bias is not None

        def instead(_, inputs, __):
            weight_CD = weights_CD.to(inputs[0])
            if not has_bias:
                return nn.functional.linear(inputs[0], weight_CD)
            return nn.functional.linear(inputs[0], weight_CD[:, :-1], weight_CD[:, -1])

        with one_thread_at_a_time(), as_before(net.module_):
            layer.register_forward_hook(instead, prepend=True)
            return net_proba(net, X)


def weights_of_rows(criterion, y, sample_weight=None):
    """Return how much the curvature of the cross-entropy counts at each row, (N,).

    With the targets t of a row (its label, smoothed) and weights w of classes, the loss
    ``- sum_c w_c t_c log p_c`` has ``sum_c w_c t_c`` times the curvature of the
    cross-entropy. A mean over rows is divided by the mean ``w_y``, as torch does it.

    Parameters
    ----------
    criterion : nn.CrossEntropyLoss or nn.NLLLoss
        The loss of training.
    y : ndarray of shape (N,)
        Classes as positions.
    sample_weight : ndarray of shape (N,), default=None
        Weights of the rows, none of them 0.
    """
    weight_N = np.ones(len(y))
    if sample_weight is not None and len(y):
        weight_N = of_mean_one(sample_weight)
    weight_N = weight_N * (y != criterion.ignore_index)
    if criterion.weight is None:
        return weight_N
    weight_C = criterion.weight.cpu().double().numpy(force=True)
    smoothing = getattr(criterion, "label_smoothing", 0.0)
    smoothed_N = (1 - smoothing) * weight_C[y] + smoothing * weight_C.mean()
    if sample_weight is None and criterion.reduction == "mean" and weight_N.any():
        smoothed_N = smoothed_N / weight_C[y][weight_N > 0].mean()
    return weight_N * smoothed_N
