"""Independently trained nets as a posterior."""

import warnings
from functools import partial
from numbers import Integral

import torch
from sklearn.base import clone
from sklearn.utils._param_validation import Interval

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._posterior import EnsembleClassifier
from skal_deep.classifier.net._answers import net_proba, with_embeddings
from skal_deep.classifier.net._dropout_check import check_dropout
from skal_deep.classifier.net._dropout_draws import dropout_proba
from skal_deep.classifier.net._fit import train_net
from skal_deep.classifier.net._stacked_training import StackedTraining
from skal_deep.modules._dropout import dropout_sites


class DeepEnsembleClassifier(EnsembleClassifier):
    """Ensemble of neural nets trained from independent initial weights.

    The members differ in initial weights, batch order and training noise; each is
    one draw from the posterior, and the prediction is their mean [1]_. Ensembles
    tend to be better calibrated than dropout for active learning [2]_, at the cost of
    ``n_estimators`` trainings.

    Use it when a well calibrated posterior matters more than the time of several
    trainings.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net of each member, fully configured; it is cloned in ``fit``. Its module
        should be a class: members that start from one module instance share their
        initial weights. See :class:`DeepClassifier`.
    n_estimators : int, default=5
        Number of members.
    shared_epochs : int, default=0
        Number of the net's epochs that are trained once for all members. Above 0 it
        is the diversity-encouraging ensemble that [2]_ compares with, in our reading:
        members start from a common net and part by batch order and dropout, which the
        module should have. With f of e epochs shared, it costs ``f + n_estimators
        (e - f)`` epochs; a tenth to a fifth of them is a start. With no label yet,
        and in ``fit_from``, nothing is shared.
    batched : bool, default=False
        Whether to train all members in one pass over their stacked weights, by
        ``torch.func.vmap``, in place of one after another. It pays for small nets and
        many members. Initial weights and batch orders stay the same, and so do the
        results, up to round-off: where that sends a ReLU the other way, members drift
        away from those trained one after another as epochs go by, which another
        number of threads does, too. The net must be a ``skorch.NeuralNetClassifier``,
        no subclass, without ``train_split`` and callbacks other than skorch's
        default, its optimiser SGD, Adam, AdamW or RMSprop, and its module without
        dropout, batch normalisation and hooks. Where one pass is not possible, a
        warning says why, and members are trained one after another.
    n_dropout_draws : int, default=None
        Number of draws of each member by Monte Carlo dropout, which makes it a
        stochastic ensemble [3]_. A prediction averages ``n_estimators *
        n_dropout_draws`` draws; ``sample_proba`` gives any number, members in turn.
        The module needs ``nn.Dropout``. ``None`` takes each member as it is.
    augment : callable, default=None
        Takes and returns the inputs of a mini-batch of training, as a tensor.
        Predictions and queries see rows as they are. It may draw from torch's global
        generator, which the fit seeds and puts back.
    embedding_layer : str, default=None
        Name of the layer of the module whose input is the embedding. ``None`` is the
        linear layer that runs last. The embeddings of the members stand side by side.
    classes : array-like of shape (n_classes,), default=None
        All classes. ``None`` takes those that the labels show.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    cost_matrix : array-like of shape (n_classes, n_classes), default=None
        Costs ``[i, j]`` of predicting class j for class i.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batch order and training noise of all members.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        All classes, sorted.
    nets_ : list of skorch.NeuralNetClassifier
        The fitted members.
    estimators_ : list of DeepClassifier
        A fitted classifier for each member, as scikit-activeml's committees ask for.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    MCDropoutClassifier : A posterior that costs one training.
    SnapshotEnsembleClassifier : An ensemble from one training.
    MultiHeadClassifier : An ensemble that shares all but the last layer.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel, C. Blundell. Simple and Scalable
       Predictive Uncertainty Estimation using Deep Ensembles. NeurIPS, 2017.
    .. [2] W. Beluch, T. Genewein, A. Nürnberger, J. Köhler. The Power of Ensembles
       for Active Learning in Image Classification. CVPR, 2018.
    .. [3] R. Pop, P. Fulop. Deep Ensemble Bayesian Active Learning: Addressing the
       Mode Collapse issue in Monte Carlo dropout via Ensembles. arXiv:1811.03897, 2018.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepEnsembleClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = DeepEnsembleClassifier(net, n_estimators=3)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).sample_proba([[0.5]]).shape
    (3, 1, 2)
    """

    _parameter_constraints = {
        **EnsembleClassifier._parameter_constraints,
        "shared_epochs": [Interval(Integral, 0, None, closed="left")],
        "batched": ["boolean"],
        "n_dropout_draws": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        net,
        n_estimators=5,
        shared_epochs=0,
        batched=False,
        n_dropout_draws=None,
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
        self.shared_epochs = shared_epochs
        self.batched = batched
        self.n_dropout_draws = n_dropout_draws
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, start_from, **data):
        net = self.net
        if self.shared_epochs and start_from is None and len(data["y"]):
            shared, net = self._parts_of_training()
            common = self._fit_net(net=shared, **data)
            start_from = [common] * self.n_estimators
        batched = self.batched
        if batched and self.augment is not None:
            batched = False
            warnings.warn(
                "Members are trained one after another: with `augment` their inputs "
                "differ.",
                stacklevel=4,
            )
        together = StackedTraining()
        nets = [
            self._fit_net(
                net=net,
                seed=derived_seed(self.seed_, 0, member),
                start_from=start_from,
                member=member,
                train=together.add if batched else train_net,
                **data,
            )
            for member in range(self.n_estimators)
        ]
        together.train()
        return nets

    def _parts_of_training(self):
        """Return the net with the shared epochs, and with the others."""
        left = self.net.max_epochs - self.shared_epochs
        if left < 1:
            raise ValueError(
                f"shared_epochs={self.shared_epochs} must be less than the net's "
                f"max_epochs={self.net.max_epochs}."
            )
        return [
            clone(self.net).set_params(max_epochs=n) for n in (self.shared_epochs, left)
        ]

    def _check_fit(self, shown):
        if self.n_dropout_draws and len(self.classes_) > 1:
            check_dropout(self.nets_[0], shown)
        advice = (
            "Pass the module as a class, not an instance, and draw its initial weights "
            "from torch's global generator."
        )
        if self.shared_epochs:
            advice = "Members with shared_epochs part by dropout: add nn.Dropout."
        self._check_draws(shown, advice)

    def _sites(self):
        """Describe what differs from draw to draw."""
        if self.n_dropout_draws is None:
            return super()._sites()
        return super()._sites() + dropout_sites(self.nets_[0].module_)

    def _draw(self, X, n_samples=None, seed=0):
        """Return coupled draws of the class probabilities as a tensor (S, N, C)."""
        if self.n_dropout_draws is None:
            return super()._draw(X)
        n_members = len(self.nets_)
        n_samples = n_samples or n_members * self.n_dropout_draws
        n_each = -(-n_samples // n_members)
        draws_MKNC = torch.stack(
            [
                dropout_proba(net, X, n_each, derived_seed(seed, member))
                for member, net in enumerate(self.nets_)
            ]
        )
        # members take turns, so that fewer draws are the first ones of more
        return draws_MKNC.transpose(0, 1).flatten(0, 1)[:n_samples]

    def _answer(self, X, embeddings=False):
        """Return probabilities (N, C) and, if asked, embeddings (N, D) as tensors."""
        if self.n_dropout_draws is None:
            return super()._answer(X, embeddings)
        proba_NC = self._mean_proba(X)
        if not embeddings:
            return proba_NC, None
        embeddings_MND = [
            with_embeddings(
                partial(net_proba, net, X), net.module_, self.embedding_layer
            )[1]
            for net in self.nets_
        ]
        return proba_NC, torch.cat(embeddings_MND, dim=1)
