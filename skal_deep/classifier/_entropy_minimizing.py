"""A net that is to be certain of rows without a label."""

from contextlib import nullcontext
from functools import partial
from numbers import Real

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier._joint import JointClassifier
from skal_deep.classifier.net._joint_training import log_proba


class EntropyMinimizingClassifier(JointClassifier):
    """Neural net that also minimises the entropy of its unlabelled predictions.

    The loss is the net's own on labelled rows plus ``entropy_weight`` times the mean
    entropy of the predictions for unlabelled ones [1]_; so is the expected loss that
    [2]_ trains and queries by. What the dissertation looks for in a batch, the largest
    reduction of that entropy, is :class:`~skal_deep.pool.EPIG` with the pool as its
    target, exactly.

    Use it when classes form clusters and few rows are labelled. Where they do not, it
    makes wrong predictions more certain.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. See
        :class:`DeepClassifier`.
    entropy_weight : float, default=0.1
        Weight of the entropy; 0 is the net by itself.
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
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    PseudoLabelClassifier : Takes certain predictions for labels.
    FixMatchClassifier : Takes them for labels of augmented rows.
    skal_deep.pool.EPIG : The query by expected reduction of uncertainty.

    Notes
    -----
    The text of [2]_ that this goes back to is a summary; the dissertation is not public
    in full. With batch normalisation, mini-batches of unlabelled rows count in the
    running statistics, too.

    References
    ----------
    .. [1] Y. Grandvalet, Y. Bengio. Semi-supervised Learning by Entropy Minimization.
       NeurIPS, 2004.
    .. [2] H. Ranganathan. Deep Active Learning Explored Across Diverse Label Spaces.
       Dissertation, Arizona State University, 2018.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import EntropyMinimizingClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = EntropyMinimizingClassifier(net, random_state=0)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).predict_proba([[0.5]]).shape
    (1, 2)
    """

    _parameter_constraints = {
        **JointClassifier._parameter_constraints,
        "entropy_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        net,
        entropy_weight=0.1,
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
        self.entropy_weight = entropy_weight
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _uses(self, unlabeled):
        return len(unlabeled) > 0 and self.entropy_weight > 0

    def _term(self, net, rows, share):  # noqa: ARG002
        """Return a context that gives the weighted mean entropy."""
        return nullcontext(partial(self._entropy, net, rows))

    def _entropy(self, net, rows, _x, _output, _y_true) -> Tensor:
        """Return the weighted mean entropy of a mini-batch without labels."""
        log_proba_NC = log_proba(net, net.infer(next(rows)))
        entropy_N = -(log_proba_NC.exp() * log_proba_NC).sum(1)
        return self.entropy_weight * entropy_N.mean()
