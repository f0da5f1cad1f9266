"""A net that learns to predict its own loss."""

from functools import partial
from numbers import Real
from typing import Any, cast

import torch
from sklearn.utils._param_validation import Interval
from skorch import NeuralNet
from torch import Tensor

from skal_deep._modes import cpu_by_default
from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._single_net import SingleNetClassifier
from skal_deep.classifier.net._fit import train_net
from skal_deep.classifier.net._joint_training import joint_loss, row_losses
from skal_deep.classifier.net._side_heads import (
    output_and_features,
    trained_beside,
)
from skal_deep.exceptions import CapabilityError
from skal_deep.functional.loss_ranking import ranking_loss
from skal_deep.modules import isolated_rng
from skal_deep.modules._loss_head import LossHead
from skal_deep.modules._taps import tapped_features


class LossPredictionClassifier(SingleNetClassifier):
    """Neural net that learns to predict its own loss.

    A small net beside the user's reads hidden features and learns which of two rows has
    the larger cross-entropy [1]_. It is trained with the net, on pairs of the same
    mini-batch. What it predicts ranks rows and has no unit.

    Use it with the strategy :class:`~skal_deep.pool.LearningLoss`.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. See
        :class:`DeepClassifier`. It trains the loss predictor with its own optimiser.
    taps : list of str, default=None
        Names of the layers of the module whose outputs the loss predictor reads,
        averaged over the positions of images and sequences. ``None`` reads what each
        convolution and linear layer but the first is given.
    loss_weight : float, default=1.0
        Weight of the ranking loss beside the net's own.
    joint_share : float, default=0.6
        Share of the epochs in which the ranking loss changes the net, too. After them
        it changes the loss predictor alone; the paper takes 120 of 200 epochs.
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
    loss_head_ : LossHead
        The fitted loss predictor, in eval mode.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    skal_deep.pool.LearningLoss : The strategy that asks for predicted losses.
    DeepClassifier : The same net without a loss predictor.

    Notes
    -----
    The loss predictor is new in each fit, also in ``fit_from``. Weights of rows count
    in the net's loss and not in the ranking. ``net__compile`` has no effect, as
    compiled code shows no hidden features.

    References
    ----------
    .. [1] D. Yoo, I. S. Kweon. Learning Loss for Active Learning. CVPR, 2019.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import LossPredictionClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = LossPredictionClassifier(net, random_state=0)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).predict_loss([[0.5], [1.5]]).shape
    (2,)
    """

    _parameter_constraints = {
        **SingleNetClassifier._parameter_constraints,
        "taps": [list, None],
        "loss_weight": [Interval(Real, 0, None, closed="left")],
        "joint_share": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        net,
        taps=None,
        loss_weight=1.0,
        joint_share=0.6,
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
        self.taps = taps
        self.loss_weight = loss_weight
        self.joint_share = joint_share
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, shown, **data):
        self.loss_head_: LossHead | None = None

        def add_head(net: NeuralNet) -> None:
            if len(shown):
                _, features = output_and_features(net, shown, self.taps)
                sizes = [part.shape[1] for part in features]
                # the net's own random numbers are those of a net without a head
                with isolated_rng(derived_seed(self.seed_, 3)):
                    head = LossHead(sizes).to(net.device, torch.float32)
                self.loss_head_ = head.eval()

        return [self._fit_net(prepare=add_head, train=self._train, shown=shown, **data)]

    def _train(self, net: NeuralNet, *data: Any) -> None:
        """Train the net and the loss predictor together."""
        head = cast(LossHead, self.loss_head_)  # there are rows
        with (
            trained_beside(net, head),
            tapped_features(net.module_, self.taps) as features,
            joint_loss(net, partial(self._ranking_loss, net, head, features)),
        ):
            train_net(net, *data)

    def _ranking_loss(self, net, head, features, _x, output, y_true) -> Tensor:
        """Return the weighted ranking loss of a mini-batch."""
        is_joint = len(net.history) <= self.joint_share * net.max_epochs
        inputs = [part if is_joint else part.detach() for part in features.latest]
        predicted_N = head([part.float() for part in inputs])
        return self.loss_weight * ranking_loss(
            predicted_N, row_losses(net, output, y_true)
        )

    @cpu_by_default()
    def predict_loss(self, X):
        """Return predicted losses, which rank rows and have no unit.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,)
            Of any scale and sign; large = the loss is expected to be large.
        """
        return self._predicted_loss(self._check_rows(X)).numpy(force=True)

    def _predicted_loss(self, X) -> Tensor:
        """Return predicted losses as a tensor (N,)."""
        if self.loss_head_ is None:
            raise CapabilityError(
                "LossPredictionClassifier was fitted without a row that shows the "
                "sizes of hidden features. Fit it with some rows, labelled or not."
            )
        with torch.no_grad():
            _, features = output_and_features(self.nets_[0], X, self.taps)
            return self.loss_head_(features)

    def _answers(self):
        """Return what strategies may ask, as tensors, by the protocols' names."""
        return {
            **super()._answers(),
            "predict_loss": self._predicted_loss,
        }
