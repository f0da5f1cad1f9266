"""A net that takes labels from neighbours in its embedding."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._single_net import SingleNetClassifier
from skal_deep.classifier.net._answers import net_answer
from skal_deep.functional import cosine_graph
from skal_deep.functional.pseudo_labels import propagated_labels, spread_labels

# Labels whose signals' shares have a larger entropy, over log C, are left out.
_LARGEST_ENTROPY = 0.9


class LabelPropagationClassifier(SingleNetClassifier):
    """Neural net that takes labels from neighbours in its embedding.

    Trains on the labelled rows, lets their labels spread along a graph of nearest
    neighbours in the net's embedding [1]_, and goes on training with the labels that
    arrive, by how clear they are. [2]_ found that this use of unlabelled rows matters
    more to active learning than the query does.

    Use it when classes are clusters of the embedding and few rows are labelled.

    The graph has ``n_neighbors`` edges a row; for pools above some ten thousand rows
    the search for neighbours takes most of the time.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. See
        :class:`DeepClassifier`.
    n_neighbors : int, default=50
        Number of neighbours of each row in the graph.
    alpha : float, default=0.99
        How far labels reach, below 1.
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
    PseudoLabelClassifier : Labels by the net's own certain predictions.
    skal_deep.pool.JointLabelPropagation : A query by the same graph.

    Notes
    -----
    A guessed label counts by ``1 - H / log C`` of what reaches its row; classes count
    equally, whatever the number of their rows. Rows that no label reaches, and those
    with an entropy above 0.9 log C, are left out. A training costs two fits.

    References
    ----------
    .. [1] A. Iscen, G. Tolias, Y. Avrithis, O. Chum. Label Propagation for Deep
       Semi-Supervised Learning. CVPR, 2019.
    .. [2] O. Siméoni, M. Budnik, Y. Avrithis, G. Gravier. Rethinking Deep Active
       Learning: Using Unlabeled Data at Model Training. ICPR, 2020.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import LabelPropagationClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = LabelPropagationClassifier(net, random_state=0)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).predict_proba([[0.5]]).shape
    (1, 2)
    """

    _parameter_constraints = {
        **SingleNetClassifier._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        net,
        n_neighbors=50,
        alpha=0.99,
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
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.augment = augment
        self.embedding_layer = embedding_layer

    _learns_from_unlabeled = True

    def _fit_nets(self, *, X, y, sample_weight, unlabeled=None, **data):
        first = self._fit_net(X=X, y=y, sample_weight=sample_weight, **data)
        self.n_pseudo_labels_ = 0
        if len(np.unique(y)) < 2 or not len(unlabeled):
            return [first]
        rows = np.concatenate([X, unlabeled])
        embedding_ND = net_answer(first, rows, self.embedding_layer, True)[1]
        known = torch.as_tensor(y)
        signals_NC = spread_labels(
            cosine_graph(embedding_ND, self.n_neighbors),  # type: ignore[arg-type]
            torch.arange(len(y)),
            known,
            len(self.classes_),
            self.alpha,
        )
        label_N, weight_N = propagated_labels(signals_NC, _LARGEST_ENTROPY)
        label_N[: len(y)], weight_N[: len(y)] = known, 1.0
        is_used_N = weight_N > 0
        self.n_pseudo_labels_ = int(is_used_N.sum()) - len(y)
        label_N, weight_N = label_N[is_used_N], weight_N[is_used_N]
        weight_N /= label_N.bincount()[label_N]  # classes count equally
        if sample_weight is not None:
            weight_N[: len(y)] *= torch.as_tensor(sample_weight / sample_weight.mean())
        second = self._fit_net(
            X=rows[is_used_N.numpy()],
            y=label_N.numpy(),
            sample_weight=weight_N.numpy(),
            seed=derived_seed(self.seed_, 6),
            **(data | {"start_from": [first]}),
        )
        return [second]
