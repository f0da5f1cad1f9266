"""A net that trains on labelled rows and on rows that a generator makes of them."""

from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from skorch import NeuralNet
from skorch.dataset import Dataset
from torch import Tensor

from skal_deep._modes import cpu_by_default
from skal_deep.classifier._base import as_seed, derived_seed
from skal_deep.classifier._dropout_posterior import DropoutPosterior
from skal_deep.classifier.net._batches import as_input
from skal_deep.classifier.net._fit import train_net
from skal_deep.classifier.net._joint_training import joint_loss
from skal_deep.modules import Standardizer, isolated_rng
from skal_deep.modules._labeled_generator import GeneratorTraining, LabeledGenerator
from skal_deep.rows._data import is_numbers
from skal_deep.rows._label_array import label_array


class GenerativeAugmentationClassifier(DropoutPosterior):
    """Neural net that trains on generated rows beside the labelled ones (BGADL).

    An encoder and a generator learn the labelled rows, against a discriminator that
    tells generated rows from real ones, in step with the net [1]_. For each labelled
    row of a mini-batch the net learns rows that the generator makes of its code, and
    rows that it invents for the class, with the label of that row. Draws and
    predictions are those of Monte Carlo dropout, as in the paper: with
    :class:`~skal_deep.pool.BALD` it is Bayesian generative active deep learning.

    Use it for images or vectors, with time for a long training, where no change of a
    row is known to keep its class; where one is, ``augment`` of
    :class:`MCDropoutClassifier` costs less. In trainings of a few hundred steps on the
    digits, generated rows lost three to five points of the area under the accuracy
    curve, with random labels and with those of BALD.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net, fully configured, with ``nn.Dropout`` layers in its module; it is
        cloned in ``fit``. See :class:`DeepClassifier`.
    n_generated : int, default=1
        Number of rows that are made of each labelled row of a mini-batch, and as many
        again that are invented; 0 is :class:`MCDropoutClassifier`.
    latent_dim : int, default=32
        Size of the codes.
    generator_lr : float, default=1e-3
        Learning rate of generator and discriminator (Adam).
    n_samples : int, default=50
        Number of draws that a prediction averages.
    augment : callable, default=None
        Takes and returns the inputs of a mini-batch of training, as a tensor; the
        generator learns what it returns. Predictions and queries see rows as they are.
        It may draw from torch's global generator, which the fit seeds and puts back.
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
        Seed of initial weights, batch order, training noise, generated rows and draws.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        All classes, sorted.
    nets_ : list of skorch.NeuralNetClassifier
        The fitted net.
    generator_ : nn.Module or None
        The trained generator, which :meth:`generate` asks; ``None`` where nothing was
        generated.
    n_features_in_ : int
        Size of the second axis of X.

    See Also
    --------
    MCDropoutClassifier : The same without generated rows.
    FixMatchClassifier : Changes of rows, and rows without a label.
    skal_deep.pool.BALD : The query of the paper.

    Notes
    -----
    The autoencoder has a proper bound: squared errors and divergences are summed over
    a row. Weights of rows count for the rows that are made of them, too. A training
    costs three passes of the net a step in place of one, and one step of generator and
    discriminator. Rows must be numbers that may lie between others, so tokens, tables,
    texts and data sets of your own are refused.

    Defects of the official code are left out. There the log-variances of codes go
    through a sigmoid, so that no variance is below 1; the net that queries ask has no
    dropout, so that its draws are equal, BALD is 0 and the query arbitrary (here
    ``fit`` refuses such a net); rows that were asked for stay in the pool, and are
    found again by their places among others; and entropies take the logarithm of 0.

    References
    ----------
    .. [1] T. Tran, T.-T. Do, I. Reid, G. Carneiro. Bayesian Generative Active Deep
       Learning. ICML, 2019.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import GenerativeAugmentationClassifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = GenerativeAugmentationClassifier(net, random_state=0)
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]], [0, 1, -1]
    >>> clf.fit(X, y).generate(X[:2], y[:2]).shape
    (2, 2)
    """

    _parameter_constraints = {
        **DropoutPosterior._parameter_constraints,
        "n_generated": [Interval(Integral, 0, None, closed="left")],
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "generator_lr": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        net,
        n_generated=1,
        latent_dim=32,
        generator_lr=1e-3,
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
        self.n_generated = n_generated
        self.latent_dim = latent_dim
        self.generator_lr = generator_lr
        self.n_samples = n_samples
        self.augment = augment
        self.embedding_layer = embedding_layer

    def _fit_nets(self, **data):
        self.generator_: LabeledGenerator | None = None
        if self.n_generated:
            self._check_can_be_made(data["X"])
        return [self._fit_net(train=self._train if self.n_generated else None, **data)]

    def _check_can_be_made(self, X: Any) -> None:
        """Raise unless rows are such that a generator can make others."""
        if not is_numbers(X) or self.net.dataset is not Dataset:
            what = "rows for a data set of your own" if is_numbers(X) else "other rows"
            raise TypeError(
                "GenerativeAugmentationClassifier makes vectors and images of numbers, "
                f"and is given {what}. Pass an array of the inputs themselves, or use "
                "MCDropoutClassifier."
            )

    def _train(self, net: NeuralNet, X: Any, y: Any, weight: Any) -> None:
        """Train an initialised net, and a generator in step with it."""
        dtype = torch.as_tensor(as_input(net, X[:1])).dtype
        if not dtype.is_floating_point:
            raise TypeError(
                "GenerativeAugmentationClassifier makes rows of floating-point "
                f"numbers, and the module looks up {dtype} as tokens. Use "
                "MCDropoutClassifier."
            )
        scale, seed = Standardizer(X), derived_seed(self.seed_, 7)
        at = [torch.as_tensor(n, dtype=torch.float32) for n in (scale.mean, scale.std)]
        with isolated_rng(seed):
            made = LabeledGenerator(
                X.shape[1:], len(self.classes_), at[0], at[1], self.latent_dim
            ).to(net.device)
            training = GeneratorTraining(made, self.generator_lr)
        codes = torch.Generator().manual_seed(seed)
        term = partial(self._generated_loss, net, net.get_loss, made, training, codes)
        with joint_loss(net, term):
            train_net(net, X, y, weight)
        self.generator_ = made.eval()

    def _generated_loss(
        self, net, own, made, training, codes, x, _output, y_true
    ) -> Tensor:
        """Let the generator make a step; return the net's loss of what it makes."""

        def loss_of(rows: Tensor) -> Tensor:
            rows = rows.to(x.dtype)
            loss: Tensor = own(net.infer(rows), y_true, X=rows, training=True)
            return loss

        x, y = x.to(net.device), y_true.to(net.device).long().reshape(-1)
        training.step(x, y, loss_of, codes)
        total = torch.zeros((), device=x.device)
        for _ in range(self.n_generated):
            with torch.no_grad():
                parts = made.near(x, y, codes), made.invented(y, codes)
            total = total + sum(map(loss_of, parts))
        return total / self.n_generated

    @cpu_by_default()
    def generate(self, X, y, random_state=None):
        """Return a row that the generator makes of each row, for the same class.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        y : array-like of shape (n_samples,)
            Their labels, which are those of the rows that are made.
        random_state : int, RandomState or None, default=None
            Seed of the codes; ``None`` gives the same rows each time.

        Returns
        -------
        ndarray of shape (n_samples, ...)
            The rows.
        """
        X = self._check_rows(X)
        if self.generator_ is None:
            raise ValueError(
                "Nothing was generated in this fit: there was no label, or "
                "n_generated is 0."
            )
        labels = label_array(y, self.missing_label)
        if labels.shape != (len(X),) or not np.isin(labels, self.classes_).all():
            raise ValueError(
                f"generate needs the label of each of the {len(X)} rows, one of "
                f"{self.classes_.tolist()}; y is {str(labels.tolist())[:80]}."
            )
        columns = np.searchsorted(self.classes_, labels)
        seed = derived_seed(self.seed_, 8)
        seed = seed if random_state is None else as_seed(random_state)
        codes, device = torch.Generator().manual_seed(seed), self.generator_.mean.device
        rows, classes = (torch.as_tensor(part).to(device) for part in (X, columns))
        with torch.no_grad():
            parts = zip(rows.split(1024), classes.split(1024), strict=True)
            made = [self.generator_.near(x, known, codes) for x, known in parts]
        return torch.cat(made).numpy(force=True)
