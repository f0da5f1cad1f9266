"""Dropout at prediction time as a posterior."""

from skal_deep.classifier._dropout_posterior import DropoutPosterior


class MCDropoutClassifier(DropoutPosterior):
    """Neural net with Monte Carlo dropout as its posterior.

    Each draw keeps a random part of the units, with one mask for all rows; the
    prediction is the mean over draws [1]_, [2]_. Shared masks make a draw one
    function, as joint methods such as BatchBALD need [3]_. Only dropout is switched
    on: batch normalisation stays as trained. A net whose draws would all be equal
    is refused by ``fit``.

    Use it first when a strategy needs a posterior: any net with dropout has one, and it
    costs a single training.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured, with ``nn.Dropout`` layers in its module; it is
        cloned in ``fit``. See :class:`DeepClassifier`.
    n_samples : int, default=50
        Number of draws that a prediction averages.
    augment : callable, default=None
        Takes and returns the inputs of a mini-batch of training, as a tensor.
        Predictions and queries see rows as they are. It may draw from torch's global
        generator, which the fit seeds and puts back.
    embedding_layer : str, default=None
        Name of the layer of the module whose input, without dropout, is the
        embedding. ``None`` is the linear layer that runs last.
    classes : array-like of shape (n_classes,), default=None
        All classes. ``None`` takes those that the labels show.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    cost_matrix : array-like of shape (n_classes, n_classes), default=None
        Costs ``[i, j]`` of predicting class j for class i.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batch order, training noise and draws.

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
    DeepEnsembleClassifier : Often better calibrated, and several times as expensive.
    LaplaceClassifier : A posterior for nets without dropout.
    skal_deep.testing.check_posterior : Checks the draws of a fitted classifier.

    Notes
    -----
    All dropout layers of torch are sampled, the attention dropout of
    ``nn.MultiheadAttention``, of ``F.scaled_dot_product_attention`` and of
    ``F.dropout`` on attention (as the models of transformers drop it), and the weights
    of :class:`~skal_deep.modules.DropConnectLinear` (DropConnect). In sequences
    ``nn.Dropout`` has a mask for each position, so rows need one length;
    ``nn.Dropout1d`` over (rows, features, positions) has one for all positions, as
    variational dropout [4]_, and so has ``nn.Dropout`` where positions are flattened
    into the rows. ``fit`` refuses random numbers without a layer: other calls of
    ``F.dropout``, dropout classes of your own, and the dropout between the layers of
    torch's recurrent nets. It refuses dropout of what has no rows, too, such as weights
    or learned places without an axis of length 1 in front.

    What comes before the first dropout is computed once for all draws, and dropped
    units are left out of the computation, where the results stay the same. Modules
    whose control flow depends on values, that change shared values in place, or that
    have hooks, run as a whole for each draw.

    References
    ----------
    .. [1] Y. Gal, Z. Ghahramani. Dropout as a Bayesian Approximation: Representing
       Model Uncertainty in Deep Learning. ICML, 2016.
    .. [2] Y. Gal, R. Islam, Z. Ghahramani. Deep Bayesian Active Learning with Image
       Data. ICML, 2017.
    .. [3] A. Kirsch, J. van Amersfoort, Y. Gal. BatchBALD: Efficient and Diverse
       Batch Acquisition for Deep Bayesian Active Learning. NeurIPS, 2019.
    .. [4] Y. Gal, Z. Ghahramani. A Theoretically Grounded Application of Dropout in
       Recurrent Neural Networks. NeurIPS, 2016.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import MCDropoutClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = MCDropoutClassifier(net).fit([[0.0], [1.0], [2.0]], [0, 1, -1])
    >>> clf.sample_proba([[0.5]], n_samples=7, random_state=0).shape
    (7, 1, 2)
    """

    def __init__(
        self,
        net,
        n_samples=50,
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
        self.n_samples = n_samples
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, **data):
        return [self._fit_net(**data)]
