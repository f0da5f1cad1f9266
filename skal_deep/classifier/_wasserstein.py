"""A net with a critic that tells unlabelled from labelled features."""

from contextlib import contextmanager
from functools import partial
from numbers import Real
from typing import Any, cast

import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval
from skorch import NeuralNet
from torch import Tensor, nn

from skal_deep._modes import cpu_by_default
from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._joint import JointClassifier
from skal_deep.classifier.net._answers import net_answer
from skal_deep.classifier.net._batches import device_of
from skal_deep.functional.variational import gradient_penalty
from skal_deep.modules import isolated_rng
from skal_deep.modules._taps import tapped_features
from skal_deep.modules._training import Descent

# Units of the critic's hidden layer, as in the authors' code.
_N_HIDDEN = 50


class WassersteinClassifier(JointClassifier):
    """Neural net whose features of labelled and unlabelled rows are drawn together.

    A critic on the input of the last linear layer learns to be high on unlabelled rows
    and low on labelled ones, with slopes near 1, which measures a Wasserstein distance;
    the features learn the classes and to make it small [1]_.

    Use it with the strategy :class:`~skal_deep.pool.WAAL`.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. See
        :class:`DeepClassifier`.
    critic_weight : float, default=0.01
        Weight of the distance beside the cross-entropy; the paper takes 0.01 for
        Fashion-MNIST and 0.002 for CIFAR-10.
    penalty_weight : float, default=2.0
        Weight of the penalty for slopes of the critic other than 1.
    critic_lr : float, default=1e-3
        Learning rate of the critic (Adam).
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
    critic_ : nn.Module or None
        The fitted critic, in eval mode; ``None`` where there was nothing to learn from.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    skal_deep.pool.WAAL : The strategy that asks the critic.
    EntropyMinimizingClassifier : Another use of rows without a label.

    Notes
    -----
    The critic makes one step for each of the net, on features of the same mini-batches,
    and ends in a sigmoid, as in the published code. There the penalty has the wrong
    sign, so that steep slopes are rewarded; here they cost. The labelled mini-batch
    counts by the share of labelled to unlabelled rows, as in [1]_, in what the features
    learn.

    References
    ----------
    .. [1] C. Shui, F. Zhou, C. Gagné, B. Wang. Deep Active Learning: Unified and
       Principled Method for Query and Training. AISTATS, 2020.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import WassersteinClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = WassersteinClassifier(net, random_state=0)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).predict_novelty([[0.5], [9.0]]).shape
    (2,)
    """

    _parameter_constraints = {
        **JointClassifier._parameter_constraints,
        "critic_weight": [Interval(Real, 0, None, closed="left")],
        "penalty_weight": [Interval(Real, 0, None, closed="left")],
        "critic_lr": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        net,
        critic_weight=0.01,
        penalty_weight=2.0,
        critic_lr=1e-3,
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
        self.critic_weight = critic_weight
        self.penalty_weight = penalty_weight
        self.critic_lr = critic_lr
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, unlabeled=None, **data):
        self.critic_: nn.Module | None = None
        return super()._fit_nets(unlabeled=unlabeled, **data)

    @contextmanager
    def _term(self, net, rows, share):
        """Return a context that gives the weighted distance of features."""
        n_features = _embeddings(net, rows.first_row()).shape[1]
        with isolated_rng(derived_seed(self.seed_, 5)):
            critic = nn.Sequential(
                nn.Linear(n_features, _N_HIDDEN),
                nn.ReLU(),
                nn.Linear(_N_HIDDEN, 1),
                nn.Sigmoid(),
                nn.Flatten(0),
            ).to(net.device, torch.float32)
        self.critic_, down = critic, Descent(critic, self.critic_lr)
        with tapped_features(net.module_, None) as features:
            yield partial(self._distance, net, rows, share, features, critic, down)
        critic.eval()

    def _distance(
        self, net, rows, share, features, critic, down, _x, _output, _y_true
    ) -> Tensor:
        """Let the critic make a step; return the distance by it, weighted."""
        labeled_ND = features.latest[-1].float()
        net.infer(next(rows))
        unlabeled_ND = features.latest[-1].float()
        ends = labeled_ND.detach(), unlabeled_ND.detach()
        gap = critic(ends[1]).mean() - critic(ends[0]).mean()
        penalty = gradient_penalty(critic, _between(*ends))
        down.step(self.penalty_weight * penalty - gap)
        distance = critic(unlabeled_ND).mean() - share * critic(labeled_ND).mean()
        return self.critic_weight * distance

    @cpu_by_default()
    def predict_novelty(self, X):
        """Return how unlike the labelled rows the critic finds rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,)
            Between 0 and 1, high = unlike the labelled rows; 0 for all where the
            classifier was fitted without labelled or without unlabelled rows.
        """
        return self._novelty(self._check_rows(X)).numpy(force=True)

    def _novelty(self, X) -> Tensor:
        """Return the critic's values as a tensor (N,)."""
        if self.critic_ is None:
            return torch.zeros(len(X))
        embedding_ND = _embeddings(self.nets_[0], X)
        with torch.no_grad():
            return self.critic_(embedding_ND.to(device_of(self.nets_[0])))

    def _answers(self):
        """Return what strategies may ask, as tensors, by the protocols' names."""
        return {**super()._answers(), "predict_novelty": self._novelty}


def _embeddings(net: NeuralNet, X: NDArray[Any]) -> Tensor:
    """Return the input of the linear layer that runs last, (N, D)."""
    embedding_ND = cast(Tensor, net_answer(net, X, None, True)[1])  # it was asked for
    return embedding_ND.float()


def _between(labeled_ND: Tensor, unlabeled_ND: Tensor) -> Tensor:
    """Return random points between pairs of features."""
    n = min(len(labeled_ND), len(unlabeled_ND))
    share_N1 = torch.zeros(n, 1).uniform_().to(labeled_ND)  # seeded by the fit
    return torch.lerp(labeled_ND[:n], unlabeled_ND[:n], share_N1)
