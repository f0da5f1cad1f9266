"""A net that learns how much evidence there is for each class."""

from numbers import Integral

from sklearn.utils._param_validation import Interval, StrOptions
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor

from skal_deep._modes import cpu_by_default
from skal_deep.classifier._base import NetClassifier
from skal_deep.classifier.net._answers import module_output, net_answer
from skal_deep.classifier.net._criterion import (
    check_logits,
    check_replaceable_criterion,
)
from skal_deep.modules import EvidentialLoss
from skal_deep.modules._evidential import evidence_of, evidential_proba


class EvidentialClassifier(NetClassifier):
    """Neural net that predicts a Dirichlet distribution of the class probabilities.

    The module's logits are turned into evidence for each class. A row with little
    evidence has a wide distribution, whatever its mean, after a single pass [1]_.
    DEAL asks for labels by it [2]_.

    The Dirichlet distributions of two rows are not joined in any way: there is no draw
    of one model for all rows, as ``sample_proba`` of other classifiers means it.
    Drawing row by row would make up draws that know nothing of one another, and
    methods that look at rows together would take them for independent. Hence this
    class has no ``sample_proba``; what the Dirichlet tells of a row, disagreement
    included, has a closed form in ``predict_evidence``.

    Use it with the strategy DEAL, or when one pass must tell how little the net knows
    of a row.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured but for its criterion, which is replaced; it is
        cloned in ``fit``. Its module returns logits, one column a class. See
        :class:`DeepClassifier`.
    loss : {"log", "digamma", "mse"}, default="digamma"
        How the Dirichlet is fitted to labels: by its marginal likelihood, as in [2]_,
        by its expected cross-entropy, or by its expected squared error, as in most of
        [1]_. With few labels the last hardly learns against the divergence.
    n_annealing_epochs : int, default=50
        Number of epochs in which the weight of the divergence that punishes evidence
        for other classes grows from 0 to 1, as in [2]_; [1]_ takes 10.
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
    skal_deep.pool.DEAL : The strategy that asks for this evidence.
    MCDropoutClassifier : A classifier with joint draws for all rows.
    skal_deep.modules.EvidentialLoss : The loss that is trained.

    Notes
    -----
    Evidence is the exponential of the logits, as in one variant of the code of [1]_;
    from 10 on, where that is capped, it is straight. The ReLU of [1]_ may never recover
    for a class without labels. The networks published with [2]_ take softsign, which
    may be negative and is below 1, so that it is no evidence in the sense of [1]_.
    Where classes are many and labels few, the divergence costs accuracy: raise
    ``n_annealing_epochs``.

    References
    ----------
    .. [1] M. Sensoy, L. Kaplan, M. Kandemir. Evidential Deep Learning to Quantify
       Classification Uncertainty. NeurIPS, 2018.
    .. [2] P. Hemmer, N. Kühl, J. Schöffer. DEAL: Deep Evidential Active Learning for
       Image Classification. ICMLA, 2020.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import EvidentialClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = EvidentialClassifier(net).fit([[0.0], [1.0], [2.0]], [0, 1, -1])
    >>> bool((clf.predict_evidence([[0.5]]) >= 0).all())
    True
    """

    _parameter_constraints = {
        **NetClassifier._parameter_constraints,
        "loss": [StrOptions({"log", "digamma", "mse"})],
        "n_annealing_epochs": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        net,
        loss="digamma",
        n_annealing_epochs=50,
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
        self.loss = loss
        self.n_annealing_epochs = n_annealing_epochs
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, start_from, shown, **data):
        check_replaceable_criterion(self.net, type(self).__name__)
        annealing = ("annealing", _Annealing(self.n_annealing_epochs))

        def prepare(net: NeuralNet) -> None:
            check_logits(net, shown, type(self).__name__)
            net.set_params(
                criterion=EvidentialLoss(self.loss),
                predict_nonlinearity=evidential_proba,
            )
            net.callbacks_.append(annealing)

        net = self._fit_net(
            start_from=start_from,
            prepare=prepare,
            shown=shown,
            **data,
        )
        net.callbacks_.remove(annealing)
        return [net]

    @cpu_by_default()
    def predict_evidence(self, X):
        """Return the evidence for each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            At least 0, columns as in ``classes_``. The class probabilities have the
            distribution Dirichlet(evidence + 1).
        """
        return self._evidence(self._check_rows(X)).numpy(force=True)

    def _answers(self):
        """Return what strategies may ask, as tensors, by the protocols' names."""
        return {**super()._answers(), "predict_evidence": self._evidence}

    def _evidence(self, X) -> Tensor:
        """Return the evidence as a tensor (N, C)."""
        return evidence_of(module_output(self.nets_[0], X))

    def _answer(self, X, embeddings=False):
        """Return probabilities (N, C) and, if asked, embeddings (N, D) as tensors."""
        return net_answer(self.nets_[0], X, self.embedding_layer, embeddings)


class _Annealing(Callback):
    """Raises the weight of the divergence with the epochs."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **_):
        n_done = len(net.history) - 1  # the epoch that begins is in the history
        net.criterion_.divergence_weight = min(1.0, n_done / self.n_epochs)
