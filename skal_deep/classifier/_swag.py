"""A Gaussian around the end of training as a posterior."""

from collections.abc import Callable, Iterator
from functools import partial
from numbers import Integral
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from skorch import NeuralNet
from torch import Tensor

from skal_deep._modes import weights_cast_anew
from skal_deep.classifier._base import derived_seed
from skal_deep.classifier._collected import CollectsWeights
from skal_deep.classifier._posterior import SingleNetPosterior
from skal_deep.classifier.net._answers import net_proba, refresh_statistics
from skal_deep.functional.swag import SWAGMoments, swag_moments, swag_weights
from skal_deep.modules._rng import draw_generator
from skal_deep.modules._weights import (
    batch_norms,
    restored_state,
    set_trained_weights,
    trained_weights,
)


class SWAGClassifier(CollectsWeights, SingleNetPosterior):
    """Neural net with stochastic weight averaging Gaussian (SWAG) as its posterior.

    After its training, the net is trained on for ``n_collected`` epochs at a constant
    learning rate. The weights after each of these epochs have a mean, a variance each
    and a few common directions; a draw is a set of weights from the Gaussian with
    these moments, the same for all rows [1]_.

    Use it when the net has no dropout and can be trained for some further epochs.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured; it is cloned in ``fit``. Plain SGD is what the
        method was made for; any optimiser works. See :class:`DeepClassifier`.
    n_samples : int, default=30
        Number of draws that a prediction averages; 30 draws and a rank of 20 are what
        we recall of the experiments in [1]_.
    n_collected : int, default=20
        Number of epochs, after those of the net, whose weights are collected.
    collect_lr : float, default=None
        Learning rate of these epochs; ``None`` is the net's own. The higher it is,
        the wider the posterior.
    max_rank : int, default=20
        Number of deviations that are kept: the latest ones.
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
        Seed of initial weights, batch order, training noise and draws.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        All classes, sorted.
    nets_ : list of skorch.NeuralNetClassifier
        The fitted net, with the mean of the collected weights.
    moments_ : SWAGMoments
        Mean, variances and deviations of the weights, in the order of the module's
        parameters that are trained.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    SnapshotEnsembleClassifier : Members from the cycles of one training.
    LaplaceClassifier : A Gaussian on the last layer, in closed form.
    skal_deep.functional.swag_moments : The moments of the collected weights.

    Notes
    -----
    With deviations ``D`` of rank L, a draw is ``mean + sqrt(var / 2) z1 + D z2 /
    sqrt(2 (L - 1))``. The optimiser starts afresh with the epochs that are collected,
    and no callback of the net runs in them. Where the module has batch normalisation,
    each draw estimates its statistics anew from the labelled rows, which are kept for
    that. With no label at all, the moments are those of initial weights. Memory:
    ``max_rank + 2`` vectors of weights; a prediction costs ``n_samples`` passes.

    References
    ----------
    .. [1] W. Maddox, T. Garipov, P. Izmailov, D. Vetrov, A. Wilson. A Simple Baseline
       for Bayesian Uncertainty in Deep Learning. NeurIPS, 2019.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import SWAGClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = SWAGClassifier(net, n_collected=5).fit([[0.0], [1.0], [2.0]], [0, 1, -1])
    >>> clf.sample_proba([[0.5]], n_samples=6).shape
    (6, 1, 2)
    """

    _parameter_constraints = {
        **CollectsWeights._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "max_rank": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        net,
        n_samples=30,
        n_collected=20,
        collect_lr=None,
        max_rank=20,
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
        self.n_collected = n_collected
        self.collect_lr = collect_lr
        self.max_rank = max_rank
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, start_from, X, y, sample_weight, shown):
        data = {"X": X, "y": y, "sample_weight": sample_weight, "shown": shown}
        net = self._fit_net(start_from=start_from, **data)
        walk = self._collect(net, **data) if len(y) else self._initial_weights(**data)
        self.moments_ = swag_moments(walk, self.max_rank)
        set_trained_weights(net.module_, self.moments_.mean)
        refresh_statistics(net, X)
        self._labeled_rows = X if batch_norms(net.module_) else X[:0]
        return [net]

    def _initial_weights(self, **data) -> Iterator[Tensor]:
        """Yield the weights of fresh nets."""
        for number in range(self.n_collected):
            seed = derived_seed(self.seed_, 0, number)
            yield trained_weights(self._fit_net(seed=seed, **data).module_)

    def _check_fit(self, shown):
        self._check_draws(
            shown,
            "Do the weights move in training? With no label yet, pass the module as a "
            "class, not an instance.",
        )

    def _sites(self):
        """Describe what differs from draw to draw."""
        return [f"{len(self.moments_.mean)} weights of the net"]

    def _draw(self, X, n_samples, seed):
        """Return coupled draws of the class probabilities as a tensor (S, N, C)."""
        [net] = self.nets_
        n_samples, known = n_samples or self.n_samples, self._labeled_rows
        return swag_answers(
            net, self.moments_, known, n_samples, seed, partial(net_proba, X=X)
        )


@weights_cast_anew()
def swag_answers(
    net: NeuralNet,
    moments: SWAGMoments,
    known: Any,
    n_samples: int,
    seed: int,
    ask: Callable[[NeuralNet], Tensor],
) -> Tensor:
    """Return what a net answers with each of some draws of its weights.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net; it comes back as it was.
    moments : SWAGMoments
        Those of its weights.
    known : object
        Rows of the training, from which batch normalisation is estimated anew.
    n_samples : int
        Number of draws S.
    seed : int
        Seed of the draws.
    ask : callable
        Takes the net; returns its answer, a tensor.
    """
    n_weights, rank = moments.deviations_PL.shape
    device, draws = moments.mean.device, []
    with restored_state(net.module_):
        for draw in range(n_samples):
            generator = draw_generator(seed, draw)
            noise_P = torch.randn(n_weights, generator=generator)
            noise_L = torch.randn(rank, generator=generator)
            weights_P = swag_weights(moments, noise_P.to(device), noise_L.to(device))
            set_trained_weights(net.module_, weights_P)
            refresh_statistics(net, known)
            draws.append(ask(net))
    return torch.stack(draws)
