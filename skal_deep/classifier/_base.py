"""What all classifiers over a skorch net share."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skactiveml.utils import check_n_features
from sklearn.utils import check_array
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import _check_feature_names, check_is_fitted
from skorch import NeuralNet
from skorch.dataset import Dataset
from torch import Tensor

from skal_deep._modes import cpu_by_default, weights_cast_anew
from skal_deep.classifier._row_classifier import RowClassifier
from skal_deep.classifier.net._batches import N_SHOWN_ROWS
from skal_deep.classifier.net._fit import fit_net, train_net
from skal_deep.classifier.net._gradient_lengths import gradient_lengths, has_bias
from skal_deep.classifier.net._head import net_head
from skal_deep.classifier.net._interrupts import (
    leaves_on_interrupt,
    restore_unless_done,
)
from skal_deep.classifier.net._jacobian import net_jacobian
from skal_deep.classifier.net._joint_training import augmented
from skal_deep.classifier.net._logits import differentiable_logits
from skal_deep.classifier.net._reading import check_reading
from skal_deep.classifier.net._rows import net_rows
from skal_deep.classifier.net._travel import with_card, without_card
from skal_deep.classifier.net._weight_gradients import net_weight_gradients
from skal_deep.rows._data import is_numbers, row_shape
from skal_deep.rows._shape import check_is_rows


def as_seed(random_state: int | np.random.RandomState | None) -> int:
    """Return a seed; ``None`` gives a fresh one and moves no global generator."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
    if isinstance(random_state, np.random.RandomState):
        return int(copy.deepcopy(random_state).randint(2**31 - 1))
    is_bool = isinstance(random_state, bool)  # an integer to Python
    if isinstance(random_state, Integral) and random_state >= 0 and not is_bool:
        return int(random_state)
    hint = ""
    if isinstance(random_state, np.random.Generator):
        hint = " From a Generator, draw a seed: int(generator.integers(2**31))."
    raise InvalidParameterError(  # a ValueError and a TypeError, as scikit-learn's are
        "random_state must be an integer from 0 on, a numpy.random.RandomState or "
        f"None, not {random_state!r}.{hint}"
    )


def check_number_of_draws(n_samples: Any) -> None:
    """Raise unless it is a number of draws, or ``None`` for the model's own."""
    is_number = isinstance(n_samples, Integral) and not isinstance(n_samples, bool)
    if n_samples is not None and not (is_number and n_samples >= 1):
        raise ValueError(
            "n_samples must be a whole number from 1 up or None, not "
            f"{str(n_samples)[:80]}."
        )


def _check_same_classes(clf: Any, previous: Any) -> None:
    """Raise if training would go on from a net with columns for other classes."""
    if np.array_equal(clf.classes_, previous.classes_):
        return
    name = type(clf).__name__
    raise ValueError(
        f"{name}.fit_from goes on from columns for the classes "
        f"{previous.classes_.tolist()}, but the classes are {clf.classes_.tolist()} "
        "now. Pass classes=[...] with all of them to both, or train afresh with `fit`."
    )


def derived_seed(*key: int) -> int:
    """Return a seed that is independent for each key."""
    return int(np.random.SeedSequence(key).generate_state(1)[0] >> 1)


class NetClassifier(RowClassifier, ABC):
    """A classifier made of one or several copies of a skorch net.

    A subclass says how the copies are fitted and how they answer. Fitting leaves out
    the rows without a label; with no label at all the nets are initialised and
    predict from their random weights.
    """

    _parameter_constraints: dict[str, Any] = {
        "net": [NeuralNet],
        "augment": [callable, None],
        "embedding_layer": [str, None],
        "random_state": ["random_state"],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self):
        return without_card(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(with_card(state))

    def fit(self, X, y, sample_weight=None):
        """Fit the net to the labelled rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs: vectors, images (n, c, h, w), a table of numbers, a sparse matrix,
            a dict of arrays, which ``forward`` takes by their names, or what the net's
            data set takes, such as the positions of rows in a file, of shape (n, 1),
            or the names of files.
        y : array-like of shape (n_samples,)
            Labels; rows at ``missing_label`` are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss. Their scale does not matter.

        Returns
        -------
        object
            The fitted classifier.
        """
        return self._fit(X, y, sample_weight, start_from=None)

    def fit_from(self, previous, X, y, sample_weight=None):
        """Fit as :meth:`fit` does, but start from the weights of a fitted classifier.

        Parameters
        ----------
        previous : object
            A fitted classifier of the same class, net, labels and number of members.
        X : array-like of shape (n_samples, ...)
            Inputs.
        y : array-like of shape (n_samples,)
            Labels; rows at ``missing_label`` are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss.

        Returns
        -------
        object
            The fitted classifier.
        """
        if type(previous) is not type(self):
            raise TypeError(
                f"{type(self).__name__}.fit_from needs a fitted {type(self).__name__}, "
                f"not {type(previous).__name__}."
            )
        check_is_fitted(previous)
        numbers = [getattr(clf, "n_estimators", 1) for clf in (self, previous)]
        if numbers[0] != numbers[1]:
            raise ValueError(
                f"{type(self).__name__}.fit_from needs a classifier of as many members:"
                f" n_estimators={numbers[0]} here, {numbers[1]} there."
            )
        return self._fit(X, y, sample_weight, start_from=previous)

    def _fit(self, X, y, sample_weight, start_from):
        """Fit from scratch or from the nets of a fitted classifier."""
        with restore_unless_done(self), cpu_by_default():
            return self._fit_anew(X, y, sample_weight, start_from)

    @leaves_on_interrupt
    @weights_cast_anew()
    def _fit_anew(self, X, y, sample_weight, start_from):
        X, y, labeled, sample_weight = self._rows_to_learn(X, y, sample_weight)
        if start_from is not None:
            _check_same_classes(self, start_from)
        check_reading(self.net, X)
        seed = as_seed(self.random_state)
        self.random_state_ = np.random.RandomState(seed % 2**32)
        self.seed_ = seed
        self.row_shape_ = row_shape(X)
        weight = None if sample_weight is None else sample_weight[labeled]
        rest = {"unlabeled": X[~labeled]} if self._learns_from_unlabeled else {}
        self.nets_ = self._fit_nets(
            **rest,
            X=X[labeled],
            y=y[labeled].astype(np.int64),
            sample_weight=weight,
            shown=self._shown(X),
            start_from=None if start_from is None else start_from.nets_,
        )
        if len(shown := self._shown(X)):
            self._check_fit(shown)
        return self

    def _as_rows(self, X: Any) -> Any:
        """Return rows in a form that the net takes."""
        return net_rows(self.net, X)

    def _shown(self, X: Any) -> Any:
        """Return a few rows that show what the module is given.

        Where there are no rows, they are random vectors or images, of integers zeros:
        sizes are known, and a posterior can be looked at. A data set of the user's may
        take rows for something else; then, and where no size is known, there is
        nothing to show.
        """
        shape = N_SHOWN_ROWS, *X.shape[1:]
        has_size = is_numbers(X) and 0 not in shape
        if len(X) or not has_size or self.net.dataset is not Dataset:
            return X[:N_SHOWN_ROWS]
        if X.dtype.kind in "iu":
            return np.zeros(shape, X.dtype)
        return np.random.default_rng(0).normal(size=shape).astype(np.float32)

    @abstractmethod
    def _fit_nets(
        self,
        *,
        X: Any,
        y: NDArray[np.int64],
        sample_weight: NDArray[Any] | None,
        shown: Any,
        start_from: list[NeuralNet] | None,
    ) -> list[NeuralNet]:
        """Return fitted clones of ``self.net``; data are arguments of ``fit_net``."""

    def _fit_net(
        self,
        *,
        net: NeuralNet | None = None,
        seed: int | None = None,
        start_from: list[NeuralNet] | None = None,
        member: int = 0,
        train: Callable[..., None] | None = None,
        **options: Any,
    ) -> NeuralNet:
        """Return a fitted clone of a net, by default of ``self.net``, for a member.

        The other arguments are those of ``fit_net``.
        """
        return fit_net(
            self.net if net is None else net,
            n_classes=len(self.classes_),
            seed=self.seed_ if seed is None else seed,
            start_from=start_from[member] if start_from else None,
            embedding_layer=self.embedding_layer,
            train=partial(self._train_augmented, train or train_net),
            **options,
        )

    def _train_augmented(
        self, train: Callable[..., None], net: NeuralNet, *data: Any
    ) -> None:
        """Train an initialised net on inputs that are changed, if any are."""
        with augmented(net, getattr(self, "augment", None)):
            train(net, *data)

    def _check_fit(self, shown: NDArray[Any]) -> None:
        """Check on a few rows that the fitted net keeps the promise of the class."""

    @abstractmethod
    def _answer(
        self, X: NDArray[Any], embeddings: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return probabilities (N, C) and, if asked, embeddings (N, D) as tensors."""

    def _answers(self) -> dict[str, Callable[..., Any]]:
        """Return what strategies may ask, as tensors, by the protocols' names."""
        return {
            "predict_proba": lambda X: self._answer(X)[0],
            "embed": lambda X: self._answer(X, embeddings=True)[1],
            "predict_and_embed": partial(self._answer, embeddings=True),
            "jacobian": partial(
                self._side_by_side, partial(net_jacobian, layer=self.embedding_layer)
            ),
            "weight_gradients": partial(self._side_by_side, net_weight_gradients),
            "differentiable_logits": lambda X: differentiable_logits(self.nets_, X),
            "gradient_lengths": lambda X, words=False: gradient_lengths(
                self.nets_, X, words
            ),
            "head_has_bias": lambda X: has_bias(self.nets_, X),
        }

    def _linear_head(self, X: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """Return weights (C, D) and biases (C,) that make logits of embeddings."""
        return net_head(self.nets_[0], X, self.embedding_layer)

    def _side_by_side(
        self,
        features: Callable[..., Tensor],
        X: NDArray[Any],
        n_features: int,
        seed: int,
    ) -> Tensor:
        """Return features by all nets side by side, with a share of them each."""
        share = max(1, n_features // len(self.nets_))
        return torch.cat([features(net, X, share, seed) for net in self.nets_], dim=1)

    @cpu_by_default()
    def predict_proba(self, X, return_embeddings=False):
        """Return class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        return_embeddings : bool, default=False
            Also return the embeddings.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities, columns as in ``classes_``.
        embeddings : ndarray of shape (n_samples, n_dims)
            The input of the last linear layer; only if ``return_embeddings``.
        """
        proba_NC, embedding_ND = self._answer(self._check_rows(X), return_embeddings)
        if embedding_ND is None:
            return proba_NC.numpy(force=True)
        return proba_NC.numpy(force=True), embedding_ND.numpy(force=True)

    def embed(self, X):
        """Return embeddings: the input of the last linear layer.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_dims)
            Embeddings, of all nets side by side where there are several.
        """
        return self.predict_proba(X, return_embeddings=True)[1]

    def _check_rows(self, X: Any) -> Any:
        """Return inputs that look like those of fit."""
        check_is_fitted(self)
        _check_feature_names(self, X, reset=False)
        check_is_rows(X)
        X = net_rows(self.net, X)
        if is_numbers(X):
            X = check_array(X, allow_nd=True)
            check_n_features(self, X, reset=False)
        if row_shape(X) != self.row_shape_:
            raise ValueError(
                f"The rows of X have shape {row_shape(X)}, but {type(self).__name__} "
                f"was fitted with rows of shape {self.row_shape_}."
            )
        return X

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "nets_")
