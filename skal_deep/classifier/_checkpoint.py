"""A net that remembers what it predicted while it was trained."""

import copy
from numbers import Integral

import torch
from sklearn.utils._param_validation import Interval
from skorch.callbacks import Callback
from torch import Tensor

from skal_deep._modes import cpu_by_default
from skal_deep.classifier._single_net import SingleNetClassifier
from skal_deep.classifier.net._answers import net_proba
from skal_deep.classifier.net._compiled import with_attributes


class CheckpointClassifier(SingleNetClassifier):
    """Neural net that keeps its weights at some epochs of its training.

    So it can tell which class it would have predicted in the course of the training,
    for any row: rows whose class kept changing are hard [1]_.

    Use it with the strategies :class:`~skal_deep.pool.LabelDispersion` and
    :class:`~skal_deep.pool.ForgettingEvents`.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. See
        :class:`DeepClassifier`.
    every : int, default=1
        Number of epochs from one checkpoint to the next.
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
    checkpoints_ : list of dict
        Weights and buffers of the module at the checkpoints, in order.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    skal_deep.pool.LabelDispersion : Asks for the classes of the checkpoints.
    SnapshotEnsembleClassifier : Takes checkpoints for a posterior.

    Notes
    -----
    Memory is that of the weights times the number of checkpoints; a pass over rows is
    made for each of them.

    References
    ----------
    .. [1] J. Zolfaghari Bengar, B. Raducanu, J. van de Weijer. When Deep Learners
       Change Their Mind: Learning Dynamics for Active Learning. CAIP, 2021.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import CheckpointClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, max_epochs=6, train_split=None, verbose=0)
    >>> clf = CheckpointClassifier(net, every=2, random_state=0)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).predict_votes([[0.5], [1.5]]).shape
    (2, 3)
    """

    _parameter_constraints = {
        **SingleNetClassifier._parameter_constraints,
        "every": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        net,
        every=1,
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
        self.every = every
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, **data):
        keep = _Checkpoints(self.every)
        callback = ("checkpoints", keep)
        net = self._fit_net(prepare=lambda net: net.callbacks_.append(callback), **data)
        net.callbacks_.remove(callback)
        # without a training there is the net as it was initialised
        self.checkpoints_ = keep.states or [copy.deepcopy(net.module_.state_dict())]
        return [net]

    @cpu_by_default()
    def predict_votes(self, X):
        """Return the class that each checkpoint predicts.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_checkpoints)
            Positions in ``classes_``.
        """
        return self._votes(self._check_rows(X)).numpy(force=True)

    def _votes(self, X) -> Tensor:
        """Return the classes that the checkpoints predict as a tensor (N, T)."""
        [net] = self.nets_
        module, votes = copy.deepcopy(net.module_), []
        for state in self.checkpoints_:
            module.load_state_dict(state)
            votes.append(net_proba(with_attributes(net, module_=module), X).argmax(1))
        return torch.stack(votes, dim=1)

    def _answers(self):
        """Return what strategies may ask, as tensors, by the protocols' names."""
        return {
            **super()._answers(),
            "predict_votes": self._votes,
        }


class _Checkpoints(Callback):
    """Keeps the weights at the ends of epochs."""

    def __init__(self, every):
        self.every = every
        self.states: list[dict[str, Tensor]] = []

    def on_epoch_end(self, net, **_):
        if len(net.history) % self.every == 0:
            self.states.append(copy.deepcopy(net.module_.state_dict()))
