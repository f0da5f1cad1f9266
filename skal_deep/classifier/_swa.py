"""A net with the mean of the weights at the end of its training."""

from skal_deep.classifier._collected import CollectsWeights
from skal_deep.classifier._single_net import SingleNetClassifier
from skal_deep.classifier.net._answers import refresh_statistics
from skal_deep.functional.swag import swag_moments
from skal_deep.modules._weights import set_trained_weights


class SWAClassifier(CollectsWeights, SingleNetClassifier):
    """Neural net with stochastic weight averaging (SWA).

    After its training, the net is trained on for ``n_collected`` epochs at a constant
    learning rate, and gets the mean of the weights after each of them [1]_. Batch
    normalisation is estimated anew with these weights.

    Use it in place of :class:`DeepClassifier` where few labels make trainings noisy and
    a prediction should cost one pass: the mean lies in the middle of what the last
    epochs wander through.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. Plain SGD is what the
        method was made for; any optimiser works. See :class:`DeepClassifier`.
    n_collected : int, default=20
        Number of epochs, after those of the net, whose weights are averaged.
    collect_lr : float, default=None
        Learning rate of these epochs; ``None`` is the net's own. The paper's is higher
        than the last one of a schedule.
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
        The fitted net, with the mean of the weights.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    SWAGClassifier : A Gaussian around the same mean, as a posterior.
    DeepClassifier : The net by itself.

    Notes
    -----
    Callbacks of the net, such as a schedule of learning rates, see its own epochs and
    not the further ones.

    References
    ----------
    .. [1] P. Izmailov, D. Podoprikhin, T. Garipov, D. Vetrov, A. G. Wilson. Averaging
       Weights Leads to Wider Optima and Better Generalization. UAI, 2018.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import SWAClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = SWAClassifier(net, n_collected=5, random_state=0)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).predict_proba([[0.5]]).shape
    (1, 2)
    """

    def __init__(
        self,
        net,
        n_collected=20,
        collect_lr=None,
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
        self.n_collected = n_collected
        self.collect_lr = collect_lr
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, start_from, X, y, sample_weight, shown):
        data = {"X": X, "y": y, "sample_weight": sample_weight, "shown": shown}
        net = self._fit_net(start_from=start_from, **data)
        if len(y):
            moments = swag_moments(self._collect(net, **data), max_rank=1)
            set_trained_weights(net.module_, moments.mean)
            refresh_statistics(net, X)
        return [net]
