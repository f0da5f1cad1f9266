"""Snapshots of one training as a posterior."""

import copy
import warnings
from numbers import Integral

from sklearn.utils._param_validation import Interval
from skorch.callbacks import Callback
from torch import Tensor

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._posterior import EnsembleClassifier
from skal_deep.functional.snapshots import cosine_cycles


class SnapshotEnsembleClassifier(EnsembleClassifier):
    """Ensemble of the local optima that one training passes through.

    The learning rate falls along a cosine from the net's own to almost 0 and starts
    over, ``n_cycles`` times during the epochs of the net; the weights at the end of
    each of the last ``n_estimators`` cycles are a member [1]_. So an ensemble costs one
    training. Snapshots have been found to serve active learning well [2]_.

    Use it when an ensemble is wanted and there is time for one training only.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. Its ``max_epochs`` are
        shared by the cycles, its learning rates are those that a cycle starts from,
        and another schedule among its callbacks is overruled. See
        :class:`DeepClassifier`.
    n_estimators : int, default=5
        Number of members.
    n_cycles : int, default=10
        Number of cycles, at least ``n_estimators``. Early cycles are left out because
        their nets have hardly learned: their errors would pass for disagreement.
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
        Seed of initial weights, batch order and training noise.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        All classes, sorted.
    nets_ : list of skorch.NeuralNetClassifier
        The fitted members, in the order of training.
    estimators_ : list of DeepClassifier
        A fitted classifier for each member, as scikit-activeml's committees ask for.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    DeepEnsembleClassifier : Members that are trained independently.
    SWAGClassifier : A Gaussian around the weights at the end of one training.

    Notes
    -----
    The mean rate is half the net's, so take a learning rate some times that of a plain
    training. Snapshots of a training that has not converged differ by their progress,
    and disagree least where all of them are wrong.

    The rate changes with each mini-batch; the optimiser keeps its state across
    cycles. Members are copies with their own batch normalisation. ``fit`` raises
    ``ValueError`` where training makes fewer steps than there are cycles, and where a
    callback such as early stopping ends it before the second snapshot. With no
    label at all, the members have independent initial weights. ``fit_from`` starts
    from the last member. Memory: ``n_estimators`` copies of the net.

    References
    ----------
    .. [1] G. Huang, Y. Li, G. Pleiss, Z. Liu, J. Hopcroft, K. Weinberger. Snapshot
       Ensembles: Train 1, Get M for Free. ICLR, 2017.
    .. [2] S. Jung, S. Kim, J. Lee. A Simple Yet Powerful Deep Active Learning With
       Snapshots Ensembles. ICLR, 2023.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import SnapshotEnsembleClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, lr=0.5, train_split=None, verbose=0)
    >>> clf = SnapshotEnsembleClassifier(net, n_estimators=2, n_cycles=4)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).sample_proba([[0.5]]).shape
    (2, 1, 2)
    """

    _parameter_constraints = {
        **EnsembleClassifier._parameter_constraints,
        "n_cycles": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        net,
        n_estimators=5,
        n_cycles=10,
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
        self.n_cycles = n_cycles
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, X, y, sample_weight, shown, start_from):
        members = [
            self._fit_net(
                X=X[:0],
                y=y[:0],
                seed=derived_seed(self.seed_, 0, member),
                shown=shown,
            )
            for member in range(self.n_estimators)
        ]
        if not len(y):
            return members
        if self.n_cycles < self.n_estimators:
            raise ValueError(
                f"n_cycles={self.n_cycles} must be at least n_estimators="
                f"{self.n_estimators}: a cycle has one snapshot."
            )
        snapshots = _Snapshots(self.n_cycles)
        net = self._fit_net(
            X=X,
            y=y,
            sample_weight=sample_weight,
            shown=shown,
            start_from=start_from,
            member=-1,
            prepare=lambda net: net.callbacks_.append(("snapshots", snapshots)),
        )
        states = snapshots.states()[-self.n_estimators :]
        if len(states) < len(members):
            warnings.warn(
                f"Training ended after {len(states)} of {self.n_cycles} cycles: there "
                f"are {len(states)} members, not n_estimators={self.n_estimators}, "
                "and those of the first cycles, which have hardly learned, count. "
                "Remove early stopping from the net's callbacks.",
                stacklevel=4,
            )
            members = members[: len(states)]
        for member, state in zip(members, states, strict=True):
            member.module_.load_state_dict(state)
            member.history_ = net.history_
        return members

    def _check_fit(self, shown):
        self._check_draws(shown, "Is the learning rate of the net too small to train?")


class _Snapshots(Callback):
    """Drives the learning rate in cycles and keeps the weights at their ends."""

    def __init__(self, n_cycles):
        self.n_cycles = n_cycles
        self._states: list[dict[str, Tensor]] = []
        self._n_done = 0

    def on_train_begin(self, net, **_):
        self._rates = [group["lr"] for group in net.optimizer_.param_groups]

    def on_epoch_begin(self, net, dataset_train=None, **_):
        if self._n_done:
            return
        n_batches = len(net.get_iterator(dataset_train, training=True))
        n_steps = net.max_epochs * n_batches
        if n_steps < self.n_cycles:
            raise ValueError(
                f"{self.n_cycles} cycles need as many training steps; "
                f"max_epochs={net.max_epochs} with {n_batches} mini-batches make "
                f"{n_steps}. Raise max_epochs, or lower n_cycles."
            )
        self._factors, self._ends = cosine_cycles(n_steps, self.n_cycles)

    def on_batch_begin(self, net, training=False, **_):
        if training:
            factor = self._factors[self._n_done]
            groups = net.optimizer_.param_groups
            for group, rate in zip(groups, self._rates, strict=True):
                group["lr"] = rate * factor

    def on_batch_end(self, net, training=False, **_):
        if training:
            self._n_done += 1
            if self._n_done in self._ends:
                self._states.append(copy.deepcopy(net.module_.state_dict()))

    def states(self):
        """Return the weights and buffers at the ends of the cycles."""
        if len(self._states) < 2:
            raise ValueError(
                f"Training ended after {self._n_done} steps and "
                f"{len(self._states)} of {self.n_cycles} snapshots. Remove early "
                "stopping from the net's callbacks, or raise max_epochs."
            )
        return self._states
