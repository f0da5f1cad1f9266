"""A net that is to predict for changed rows what it is sure of for the plain ones."""

from contextlib import contextmanager
from functools import partial
from numbers import Integral, Real

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor
from torch.nn.functional import nll_loss

from skal_deep.classifier._joint import JointClassifier
from skal_deep.classifier.net._joint_training import augmented, log_proba
from skal_deep.modules._mask_noise import MaskNoise


class FixMatchClassifier(JointClassifier):
    """Neural net trained by FixMatch on labelled and unlabelled rows.

    Where the prediction for a weakly changed row is sure enough, the net learns to
    predict the same class for the strongly changed row [1]_.

    Use it when there are changes that do not touch the class of a row, few labels, and
    time for long trainings.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. See
        :class:`DeepClassifier`.
    strong : callable, default=None
        Takes and returns the inputs of a mini-batch, as a tensor; changes them much.
        ``None`` sets a fifth of the numbers to 0
        (:class:`~skal_deep.modules.MaskNoise`), which suits vectors that are scaled;
        give your own for images.
    weak : callable, default=None
        As ``strong``, but changes inputs little; ``None`` leaves them as they are.
    threshold : float, default=0.95
        Probability above which a prediction counts as a label.
    unlabeled_weight : float, default=1.0
        Weight of the unlabelled rows beside the labelled ones; 0 is the net by itself,
        with ``weak`` changes.
    unlabeled_ratio : int, default=7
        Unlabelled rows for each labelled one in a mini-batch.
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
    MixMatchClassifier : Mixes rows and guessed labels.
    PseudoLabelClassifier : The same without changes of rows.
    skal_deep.pool.ConsistencySampling : Queries what changes upset.

    Notes
    -----
    Changes happen in training only. They may draw from torch's global generator, which
    a fit seeds and puts back. An epoch is one over the labelled rows: with few of them,
    raise ``net__max_epochs``.

    References
    ----------
    .. [1] K. Sohn, D. Berthelot, C.-L. Li, Z. Zhang, N. Carlini, E. Cubuk, A. Kurakin,
       H. Zhang, C. Raffel. FixMatch: Simplifying Semi-Supervised Learning with
       Consistency and Confidence. NeurIPS, 2020.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import FixMatchClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = FixMatchClassifier(net, random_state=0)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).predict_proba([[0.5]]).shape
    (1, 2)
    """

    _parameter_constraints = {
        **JointClassifier._parameter_constraints,
        "strong": [callable, None],
        "weak": [callable, None],
        "threshold": [Interval(Real, 0, None, closed="left")],
        "unlabeled_weight": [Interval(Real, 0, None, closed="left")],
        "unlabeled_ratio": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        net,
        strong=None,
        weak=None,
        threshold=0.95,
        unlabeled_weight=1.0,
        unlabeled_ratio=7,
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
        self.strong = strong
        self.weak = weak
        self.threshold = threshold
        self.unlabeled_weight = unlabeled_weight
        self.unlabeled_ratio = unlabeled_ratio
        self.embedding_layer = embedding_layer

    def _uses(self, unlabeled):
        uses_them = len(unlabeled) > 0 and self.unlabeled_weight > 0
        return uses_them or self.weak is not None

    def _unlabeled_ratio(self):
        return self.unlabeled_ratio

    @contextmanager
    def _term(self, net, rows, share):  # noqa: ARG002
        """Return a context with weakly changed rows and the consistency loss."""
        with augmented(net, self.weak):
            yield partial(self._consistency, net, rows)

    def _consistency(self, net, rows, _x, _output, y_true) -> Tensor:
        """Return the weighted loss of sure predictions for strongly changed rows."""
        if rows is None or not self.unlabeled_weight:
            return torch.zeros((), device=y_true.device)
        x = next(rows)
        weak_x = x if self.weak is None else self.weak(x)
        with torch.no_grad():
            guess = log_proba(net, net.infer(weak_x)).exp().max(1)
        strong = MaskNoise() if self.strong is None else self.strong
        loss_N = nll_loss(
            log_proba(net, net.infer(strong(x))), guess.indices, reduction="none"
        )
        is_sure_N = guess.values >= self.threshold
        return self.unlabeled_weight * (loss_N * is_sure_N).mean()
