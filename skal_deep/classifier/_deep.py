"""A neural net as a scikit-activeml classifier."""

from skal_deep.classifier._single_net import SingleNetClassifier


class DeepClassifier(SingleNetClassifier):
    """Neural net with a point estimate of its weights.

    Makes a skorch net a scikit-activeml classifier: it takes missing labels, can
    be asked before the first label, knows classes that no label shows yet, and
    gives equal results for equal seeds without touching a global generator. Every
    setting of the net is reached as ``net__...`` by a grid search.

    Use it for strategies that need class probabilities or embeddings, and no posterior.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. Its module returns one
        column a class, logits or probabilities. Where a criterion that skorch does not
        know takes logits, ``predict_nonlinearity="softmax"`` makes them probabilities;
        ``fit`` refuses other outputs. Constructor parameters of the module named
        ``n_features``, ``n_channels`` or ``n_classes`` are set from the data
        unless given as ``module__...``.
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
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns of X, if it has names; predictions check them.

    See Also
    --------
    MCDropoutClassifier : A posterior from dropout, for BALD and its relatives.
    DeepEnsembleClassifier : A posterior from several trainings.
    skal_deep.modules.MLP : A small module to start with.

    Notes
    -----
    Where the net has a data set class of its own (``dataset=...``), X may hold the
    positions of rows in it, of shape (n, 1). Reading a row twice must give the same
    input: augment only where the data set is given y, as in training, or in
    ``iterator_train__collate_fn``. Few labels may not suffice for the net's
    ``train_split``, for callbacks that monitor it, or for batch normalisation; a
    warning says what is done about it. Ctrl-C leaves ``fit``, and with it any call that
    fits; a callback may end the training, as skorch's ``EarlyStopping`` does. A fit
    that fails leaves the classifier as it was.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = DeepClassifier(net, random_state=0).fit([[0.0], [1.0], [2.0]], [0, 1, -1])
    >>> clf.predict_proba([[0.5]]).shape
    (1, 2)
    """

    def __init__(
        self,
        net,
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
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, **data):
        return [self._fit_net(**data)]
