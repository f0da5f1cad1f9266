"""Several heads on one trunk as a posterior."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._deep import DeepClassifier
from skal_deep.classifier._posterior import EnsembleClassifier, SingleNetPosterior
from skal_deep.classifier.net._answers import last_linear, module_output, net_proba
from skal_deep.classifier.net._compiled import with_attributes
from skal_deep.classifier.net._logits import differentiable_logits
from skal_deep.exceptions import CapabilityError
from skal_deep.modules._split_linear import heads_apart, one_head, split_linear
from skal_deep.rows._row_weights import of_mean_one


class MultiHeadClassifier(SingleNetPosterior):
    """Neural net whose last linear layer is split into an ensemble of heads.

    All heads share one trunk, so that an ensemble costs hardly more than one net, in
    training and in prediction [1]_. The loss is the mean over the heads. Given the
    trunk, the problem of a head is convex: heads that see the same rows approach one
    another however they start. ``bootstrap`` keeps them apart, at some cost in
    accuracy.

    Use it when the net is too large to train several times and has no dropout.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. The linear layer of its
        module that runs last becomes the heads; what follows it must treat rows one
        by one. See :class:`DeepClassifier`.
    n_estimators : int, default=5
        Number of heads, each of them one draw from the posterior.
    bootstrap : bool, default=False
        Whether rows have random weights for each head, as in the Bayesian bootstrap
        [2]_; bootstrapped heads are due to [3]_. The weights are exponential, scaled
        so that those of a row have the mean 1 over the heads: rows count equally in
        the trunk.
    augment : callable, default=None
        Takes and returns the inputs of a mini-batch of training, as a tensor.
        Predictions and queries see rows as they are. It may draw from torch's global
        generator, which the fit seeds and puts back.
    embedding_layer : str, default=None
        Name of the layer of the module whose input is the embedding. ``None`` is the
        linear layer that runs last: the heads.
    classes : array-like of shape (n_classes,), default=None
        All classes. ``None`` takes those that the labels show.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    cost_matrix : array-like of shape (n_classes, n_classes), default=None
        Costs ``[i, j]`` of predicting class j for class i.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, weights of rows, batch order and training noise.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        All classes, sorted.
    nets_ : list of skorch.NeuralNetClassifier
        The fitted net. Asked by itself, its last layer is the mean of the heads.
    estimators_ : list of DeepClassifier
        A fitted classifier for each head, as scikit-activeml's committees ask for.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    DeepEnsembleClassifier : Members that share nothing, which differ more.
    LaplaceClassifier : Another posterior on the last layer alone.

    Notes
    -----
    Heads start from torch's default initial weights. During training the module
    returns one row for each row and head, and the criterion compares it with the label
    of that row; callbacks see the mean over the heads.

    References
    ----------
    .. [1] S. Lee, S. Purushwalkam, M. Cogswell, D. Crandall, D. Batra. Why M Heads are
       Better than One: Training a Diverse Ensemble of Deep Networks. arXiv:1511.06314,
       2015.
    .. [2] D. Rubin. The Bayesian Bootstrap. The Annals of Statistics 9, 1981.
    .. [3] I. Osband, C. Blundell, A. Pritzel, B. Van Roy. Deep Exploration via
       Bootstrapped DQN. NeurIPS, 2016.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import MultiHeadClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = MultiHeadClassifier(net, n_estimators=4, bootstrap=True)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).sample_proba([[0.5]]).shape
    (4, 1, 2)
    """

    _parameter_constraints = {
        **EnsembleClassifier._parameter_constraints,
        "bootstrap": ["boolean"],
    }

    def __init__(
        self,
        net,
        n_estimators=5,
        bootstrap=False,
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
        self.n_estimators = n_estimators
        self.bootstrap = bootstrap
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, start_from, sample_weight, shown, **data):
        def split(net: NeuralNet) -> None:
            name = last_linear(net, shown)
            net.module_ = split_linear(net.module_, name, self.n_estimators)
            net.initialize_optimizer()  # the one there is knows the layer that was
            _check_split(net, shown, self.n_estimators)

        if sample_weight is not None:  # large ones by large ones would be infinite
            sample_weight = of_mean_one(sample_weight)
        return [
            self._fit_net(
                start_from=start_from,
                prepare=split,
                sample_weight=self._head_weights(len(data["y"]), sample_weight),
                shown=shown,
                **data,
            )
        ]

    def _check_fit(self, shown):
        self._check_draws(shown, "Do all inputs of the last linear layer vanish?")

    def _head_weights(self, n_rows, sample_weight):
        """Return the weights of rows for heads, of shape (N, M)."""
        shape = n_rows, self.n_estimators
        weight_NM = np.ones(shape)
        if self.bootstrap:
            rng = np.random.default_rng(derived_seed(self.seed_, 2))
            weight_NM = rng.exponential(size=shape)
            weight_NM = weight_NM / weight_NM.mean(axis=1, keepdims=True)
        if sample_weight is not None:
            weight_NM = weight_NM * sample_weight[:, None]
        return weight_NM

    @property
    def estimators_(self) -> list[DeepClassifier]:
        """The members, a fitted classifier for each head, on the one trunk."""
        check_is_fitted(self)
        return [self._member(net) for net in self._heads()]

    def _heads(self) -> list[NeuralNet]:
        """Return a net for each head, on the one trunk."""
        [net] = self.nets_
        return [
            with_attributes(net, module_=one_head(net.module_, head))
            for head in range(self.n_estimators)
        ]

    def _answers(self):
        """Return what strategies may ask, as tensors, by the protocols' names."""
        # The net itself returns the mean of the heads' logits, which is not the
        # logarithm of the mean of their probabilities.
        return {
            **super()._answers(),
            "differentiable_logits": lambda X: differentiable_logits(self._heads(), X),
        }

    def _sites(self):
        """Describe what differs from draw to draw."""
        return [f"{self.n_estimators} last linear layers on one trunk"]

    def _draw(self, X, n_samples=None, seed=0):  # noqa: ARG002
        """Return the heads' class probabilities as a tensor (S, N, C).

        The heads are all the draws there are: ``n_samples`` and ``seed`` do not matter.
        """
        [net] = self.nets_
        with heads_apart(net.module_):
            proba = net_proba(net, X)
        return proba.unflatten(0, (-1, self.n_estimators)).transpose(0, 1)


def _check_split(net: NeuralNet, shown: NDArray[Any], n_heads: int) -> None:
    """Refuse a module that mixes rows after its last linear layer."""
    try:
        with heads_apart(net.module_):
            n_outputs = len(module_output(net, shown)) if len(shown) else 0
    except RuntimeError:
        n_outputs = -1
    if n_outputs != len(shown) * n_heads:
        raise CapabilityError(
            f"{type(net.module_).__name__} does more after its last linear layer than "
            "treat rows one by one, so that it cannot be split into heads. Use "
            "DeepEnsembleClassifier."
        )
