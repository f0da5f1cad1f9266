"""A net that takes its own certain predictions for labels."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._single_net import SingleNetClassifier
from skal_deep.classifier.net._answers import net_proba
from skal_deep.functional.pseudo_labels import confident_labels


class PseudoLabelClassifier(SingleNetClassifier):
    """Neural net that takes its own certain predictions for labels.

    Trains on the labelled rows, gives labels to the unlabelled ones whose prediction
    has an entropy below a threshold, and goes on training with both. The guessed labels
    are forgotten after that. So trains Cost-Effective Active Learning [1]_.

    Use it with the strategy :class:`~skal_deep.pool.CEAL`, or with any other.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. See
        :class:`DeepClassifier`.
    threshold : float, default=0.05
        Entropy in nats that a prediction must be below.
    decay : float, default=0.0033
        What the threshold loses with each round: with each call of ``fit_from`` that
        goes on from the last one. ``fit`` is round 0.
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
    n_pseudo_labels_ : int
        Number of rows that were given a label.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    skal_deep.pool.CEAL : The query of the same paper.
    LabelPropagationClassifier : Labels by a graph of embeddings.
    FixMatchClassifier : Labels anew in each mini-batch.

    Notes
    -----
    The threshold is ``max(0, threshold - decay t)`` in round t. The recursive formula
    in the paper is often read so that the decay adds up, which is negative after a few
    rounds. A training costs two fits.

    References
    ----------
    .. [1] K. Wang, D. Zhang, Y. Li, R. Zhang, L. Lin. Cost-Effective Active Learning
       for Deep Image Classification. TCSVT, 2016.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import PseudoLabelClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = PseudoLabelClassifier(net, random_state=0)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).predict_proba([[0.5]]).shape
    (1, 2)
    """

    _parameter_constraints = {
        **SingleNetClassifier._parameter_constraints,
        "threshold": [Interval(Real, 0, None, closed="left")],
        "decay": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        net,
        threshold=0.05,
        decay=0.0033,
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
        self.threshold = threshold
        self.decay = decay
        self.augment = augment
        self.embedding_layer = embedding_layer

    _learns_from_unlabeled = True

    def _fit_nets(self, *, X, y, sample_weight, unlabeled=None, start_from, **data):
        first = self._fit_net(
            X=X, y=y, sample_weight=sample_weight, start_from=start_from, **data
        )
        # the round is known to the net alone: `start_from` are nets
        last = -1 if start_from is None else start_from[0].pseudo_label_round_
        first.pseudo_label_round_ = last + 1
        self.n_pseudo_labels_ = 0
        threshold = max(0.0, self.threshold - self.decay * (last + 1))
        if not len(y) or not len(unlabeled):
            return [first]
        rows, labels = confident_labels(net_proba(first, unlabeled), threshold)
        if not len(rows):
            return [first]
        self.n_pseudo_labels_ = len(rows)
        if sample_weight is not None:
            mean = np.full(len(rows), sample_weight.mean())
            sample_weight = np.concatenate([sample_weight, mean])
        second = self._fit_net(
            X=np.concatenate([X, unlabeled[rows.numpy(force=True)]]),
            y=np.concatenate([y, labels.numpy(force=True)]),
            sample_weight=sample_weight,
            start_from=[first],
            seed=derived_seed(self.seed_, 6),
            **data,
        )
        second.pseudo_label_round_ = last + 1
        return [second]
