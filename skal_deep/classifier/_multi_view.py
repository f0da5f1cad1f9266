"""Views of a row: a head on each hidden layer as a posterior."""

from functools import partial
from typing import Any

import torch
from skorch import NeuralNet
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from skal_deep._devices import computable
from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._posterior import SingleNetPosterior
from skal_deep.classifier.net._fit import train_net
from skal_deep.classifier.net._joint_training import joint_loss
from skal_deep.classifier.net._output import check_net_proba, criterion_of, to_proba
from skal_deep.classifier.net._side_heads import (
    output_and_features,
    trained_beside,
)
from skal_deep.modules import isolated_rng
from skal_deep.modules._taps import tapped_features


class MultiViewClassifier(SingleNetPosterior):
    """Neural net whose hidden layers predict, too: views that may disagree.

    A linear head on each hidden layer is trained with the net, by the same labels
    [1]_. Their predictions and the net's own are the draws: rows on which shallow and
    deep layers disagree are uncertain. BALD of them is the Jensen-Shannon divergence of
    the views, and all strategies that ask for draws work.

    Use it when one training must do, and the module has neither dropout nor steps
    enough for snapshots.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. See
        :class:`DeepClassifier`. It trains the heads with its own optimiser, and its
        own ``CrossEntropyLoss``, whatever weights of classes that has; beside another
        criterion the heads have plain cross-entropy, and ``sample_weight`` is refused.
    taps : list of str, default=None
        Names of the layers of the module whose outputs have a head, averaged over the
        positions of images and sequences. ``None`` reads what each convolution and
        linear layer but the first is given.
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
        Seed of initial weights, batch order and training noise.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        All classes, sorted.
    nets_ : list of skorch.NeuralNetClassifier
        The fitted net.
    heads_ : nn.ModuleList
        The fitted heads, in eval mode.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    MultiHeadClassifier : Several heads on the last layer.
    skal_deep.pool.BALD : Disagreement of the views.

    Notes
    -----
    The paper is known to us by its abstract: this is an interpretation, in which views
    weigh equally. The heads' losses are added to the net's as their mean. Heads are new
    in each fit, also in ``fit_from``, and weights of rows do not count in them.
    ``net__compile`` has no effect, as compiled code shows no hidden features. A hook of
    yours on the module's output changes the net's own view alone.

    References
    ----------
    .. [1] T. He, X. Jin, G. Ding, L. Yi, C. Yan. Towards Better Uncertainty Sampling:
       Active Learning with Multiple Views for Deep Convolutional Neural Network. ICME,
       2019.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import MultiViewClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = MultiViewClassifier(net, random_state=0)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).sample_proba([[0.5]]).shape
    (3, 1, 2)
    """

    _parameter_constraints = {
        **SingleNetPosterior._parameter_constraints,
        "taps": [list, None],
    }

    def __init__(
        self,
        net,
        taps=None,
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
        self.taps = taps
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, shown, **data):
        self.heads_ = nn.ModuleList()

        def add_heads(net: NeuralNet) -> None:
            if not len(shown):
                return
            _, features = output_and_features(net, shown, self.taps)
            with isolated_rng(derived_seed(self.seed_, 3)):
                self.heads_ = nn.ModuleList(
                    nn.Linear(part.shape[1], len(self.classes_)) for part in features
                ).to(net.device)
            self.heads_.eval()

        return [
            self._fit_net(prepare=add_heads, train=self._train, shown=shown, **data)
        ]

    def _train(self, net: NeuralNet, X: Any, y: Any, weight: Any) -> None:
        """Train the net and the heads together."""
        # The net's own criterion knows the weights of classes and of rows.
        loss: Any = cross_entropy
        if isinstance(criterion_of(net), nn.CrossEntropyLoss):
            loss = net.criterion_
        elif weight is not None:
            raise ValueError(
                "sample_weight of MultiViewClassifier needs a net whose criterion is "
                "CrossEntropyLoss, which its heads can share; it is "
                f"{type(criterion_of(net)).__name__}."
            )
        with (
            trained_beside(net, self.heads_),
            tapped_features(net.module_, self.taps) as features,
            joint_loss(net, partial(self._mean_loss, loss, features)),
        ):
            train_net(net, X, y, weight)

    def _mean_loss(self, loss, features, _x, _output, y_true) -> Tensor:
        """Return the mean loss of the heads in a mini-batch."""
        losses = [
            loss(head(part.float()), y_true.to(part.device).long().reshape(-1))
            for head, part in zip(self.heads_, features.latest, strict=True)
        ]
        return torch.stack(losses).mean()

    def _check_fit(self, shown):
        self._check_draws(shown, "Do all hidden features vanish?")

    def _sites(self):
        """Describe what differs from draw to draw."""
        return [f"{len(self.heads_)} heads on hidden layers and the net's own output"]

    def _draw(self, X, n_samples=None, seed=0):  # noqa: ARG002
        """Return the class probabilities of the views as a tensor (V, N, C).

        The views are all the draws there are: ``n_samples`` and ``seed`` do not matter.
        """
        [net] = self.nets_
        output, features = output_and_features(net, X, self.taps)
        own_NC = check_net_proba(net, to_proba(net)(output))
        if not len(self.heads_):
            return own_NC[None]
        with torch.no_grad():
            views = [
                computable(head(part)).softmax(1)
                for head, part in zip(self.heads_, features, strict=True)
            ]
        return torch.stack([*views, own_NC.float()])
