"""A net trained on mixtures of labelled rows and rows with guessed labels."""

from contextlib import contextmanager
from functools import partial
from itertools import count
from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from skorch.dataset import unpack_data
from torch import Tensor
from torch.nn.functional import one_hot

from skal_deep.classifier._joint import JointClassifier
from skal_deep.classifier.net._interrupts import replace_methods
from skal_deep.classifier.net._joint_training import log_proba
from skal_deep.functional import sharpen
from skal_deep.modules._mask_noise import MaskNoise


class MixMatchClassifier(JointClassifier):
    """Neural net trained by MixMatch on labelled and unlabelled rows.

    Guesses a soft label for each unlabelled row, from the mean prediction for several
    changed views of it, sharpened. Then trains on mixtures of all rows and of their
    labels [1]_.

    Use it as :class:`FixMatchClassifier`, for vectors and images, not for tokens: rows
    are mixed by weighted means.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. See
        :class:`DeepClassifier`.
    augment : callable, default=None
        Takes and returns the inputs of a mini-batch, as a tensor. ``None`` sets a fifth
        of the numbers to 0 (:class:`~skal_deep.modules.MaskNoise`), which suits vectors
        that are scaled; give your own for images.
    n_views : int, default=2
        Number of views that make a guess.
    temperature : float, default=0.5
        Exponent of the sharpening is one over this.
    mixing : float, default=0.75
        Parameter of the Beta distribution of the weights of mixtures.
    unlabeled_weight : float, default=75.0
        Weight of the squared error of unlabelled rows; 0 is the net by itself, without
        changes and mixtures.
    n_ramp_steps : int, default=16_000
        Number of steps over which that weight is reached linearly, from 0.
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
    FixMatchClassifier : Sure predictions as labels of strongly changed rows.
    skal_deep.pool.ConsistencySampling : Queries what changes upset.

    Notes
    -----
    The losses are the paper's: the cross-entropy for mixtures that are mostly labelled,
    the squared error of probabilities for the others. They take the place of the net's
    criterion, so that weights of rows are refused. The probabilities are those of
    training, with dropout. Published trainings have some hundred thousand steps. In
    one of a few hundred, the whole weight of the squared error makes guesses feed on
    themselves, and classes vanish from the predictions: leave ``n_ramp_steps`` as it is
    there, or lower ``unlabeled_weight`` with it. With 100 labels of Fashion-MNIST and
    320 steps the defaults were one or two points below the supervised net, a ramp of
    320 steps 18 points, and with a weight of 5 again one or two.

    References
    ----------
    .. [1] D. Berthelot, N. Carlini, I. Goodfellow, N. Papernot, A. Oliver, C. Raffel.
       MixMatch: A Holistic Approach to Semi-Supervised Learning. NeurIPS, 2019.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import MixMatchClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = MixMatchClassifier(net, random_state=0)
    >>> clf.fit([[0.0], [1.0], [2.0]], [0, 1, -1]).predict_proba([[0.5]]).shape
    (1, 2)
    """

    _parameter_constraints = {
        **JointClassifier._parameter_constraints,
        "augment": [callable, None],
        "n_views": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "mixing": [Interval(Real, 0, None, closed="neither")],
        "unlabeled_weight": [Interval(Real, 0, None, closed="left")],
        "n_ramp_steps": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        net,
        augment=None,
        n_views=2,
        temperature=0.5,
        mixing=0.75,
        unlabeled_weight=75.0,
        n_ramp_steps=16_000,
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
        self.n_views = n_views
        self.temperature = temperature
        self.mixing = mixing
        self.unlabeled_weight = unlabeled_weight
        self.n_ramp_steps = n_ramp_steps
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, unlabeled=None, **data):
        if data["sample_weight"] is not None and self._uses(unlabeled):
            raise ValueError(
                "MixMatchClassifier mixes rows, so that sample_weight has no meaning. "
                "Leave it out, or use FixMatchClassifier."
            )
        return super()._fit_nets(unlabeled=unlabeled, **data)

    def _uses(self, unlabeled):
        return len(unlabeled) > 0 and self.unlabeled_weight > 0

    @contextmanager
    def _term(self, net, rows, share):  # noqa: ARG002
        """Return a context in which steps are made on mixtures."""
        step = partial(self._step, net, rows, count(1))
        with replace_methods(net, train_step_single=step):
            yield _nothing

    def _step(self, net, rows, numbers, batch, **_: Any) -> dict[str, Any]:
        """Compute the gradients of a loss of mixtures, in place of skorch's step."""
        net.module_.train()
        augment = MaskNoise() if self.augment is None else self.augment
        x, y = unpack_data(batch)
        x_labeled, x_unlabeled = augment(x), next(rows)
        views = [augment(x_unlabeled) for _ in range(self.n_views)]
        with torch.no_grad():
            guesses = [log_proba(net, net.infer(view)).exp() for view in views]
            guess_NC = sharpen(torch.stack(guesses).mean(0), self.temperature)
            output = net.infer(x_labeled)
        label_NC = one_hot(y.long().reshape(-1), guess_NC.shape[1]).to(guess_NC)
        x_all = torch.cat([x_labeled, *views])
        target_NC = torch.cat([label_NC, *[guess_NC] * self.n_views])
        # seeded by the fit, as dropout is
        beta_N = torch.distributions.Beta(self.mixing, self.mixing).sample([len(x_all)])
        weight_N = torch.maximum(beta_N, 1 - beta_N)
        other = torch.empty(len(x_all)).uniform_().argsort()
        mixed_x = _mixed(x_all, other, weight_N)
        mixed_NC = _mixed(target_NC, other, weight_N)
        log_proba_NC = log_proba(net, net.infer(mixed_x))
        n = len(y)
        supervised = -(mixed_NC[:n] * log_proba_NC[:n]).sum(1).mean()
        squared = (log_proba_NC[n:].exp() - mixed_NC[n:]).square().mean()
        ramp = min(1.0, next(numbers) / self.n_ramp_steps)
        loss: Tensor = supervised + self.unlabeled_weight * ramp * squared
        loss.backward()
        return {"loss": loss, "y_pred": output}


def _mixed(rows: Tensor, other: Tensor, weight_N: Tensor) -> Tensor:
    """Return weighted means of rows and the others in their places."""
    weight = weight_N.to(rows).reshape(-1, *[1] * (rows.dim() - 1))
    return torch.lerp(rows[other.to(rows.device)], rows, weight)


def _nothing(_x: Any, _output: Any, y_true: Tensor) -> Tensor:
    """Return no further term: the step has a loss of its own."""
    return torch.zeros((), device=y_true.device)
