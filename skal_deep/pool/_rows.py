"""Rows of data, seen through a model."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import pad

from skal_deep._devices import computable, has_card
from skal_deep._threads import threads_given_back
from skal_deep.classifier import (
    CapabilityError,
    Embeds,
    GivesCovariance,
    HasWeightGradients,
    Model,
    PredictsLoss,
    PredictsProba,
    PredictsVariance,
    SamplesPredictions,
)
from skal_deep.classifier._base import derived_seed
from skal_deep.functional import last_layer_features
from skal_deep.pool._checks import check_finite
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import (
    check_alike,
    is_finite,
    is_numbers,
    n_columns,
    n_rows,
    row_bytes,
    take,
)
from skal_deep.rows._numbers import numbers

# Rows are handed to the model in chunks of about this size, so that a pool that is
# mapped from a file need never be in memory as a whole.
_CHUNK_BYTES = 2**28

# Draws of that many numbers, 128 MiB in float32, or for that many rows, are kept for
# whoever asks next; more are scored chunk by chunk.
_KEPT_DRAWS = 2**25
_KEPT_ROWS = 2**10

# So many rows show whether a head makes the logits of the prediction.
_N_SHOWN = 16


class Rows:
    """Some rows of the data, seen through the model; each answer is computed once.

    A strategy meets it as its pool, and as the labelled and unlabelled rows of that
    pool. Use its methods in place of the model's: they are answered chunk by chunk, so
    that a pool may be larger than memory, and asking twice costs nothing.

    Parameters
    ----------
    data : array of shape (n_samples, ...), table, sparse matrix or dict of arrays
        All inputs.
    positions : ndarray of shape (N,)
        Which of them.
    model : Model
        Answers for them.
    seed : int
        Seed of posterior draws; equal seeds give coupled draws.

    See Also
    --------
    Pool : The candidates of a query, which are rows, too.
    ScoreQueryStrategy : Where such rows are used.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.classifier import as_model
    >>> from skal_deep.pool._rows import Rows
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> model = as_model(LogisticRegression().fit(X, [0, 0, 1]))
    >>> Rows(X, np.array([2, 0]), model, seed=0).predict_proba().shape
    torch.Size([2, 2])
    """

    def __init__(self, data: Any, positions: NDArray[np.intp], model: Model, seed: int):
        self._data = data
        self._positions = positions
        self._model = model
        self._seed = seed
        self._answers: dict[Any, Tensor] = {}

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def X(self) -> Any:
        """The inputs, N rows of the kind that the caller gave."""
        return take(self._data, self._positions)

    def numbers(self, who: str) -> NDArray[Any]:
        """Return the inputs as an array of numbers, (N, ...), for who names itself.

        Parameters
        ----------
        who : str
            Named in the error where the inputs are no numbers.

        Returns
        -------
        ndarray of shape (N, ...)
            The numbers.
        """
        X = numbers(self.X, who=who)
        check_finite(X, "X", who)
        return X

    def seen_X(self) -> NDArray[Any]:
        """Return the inputs as the classifier, or a Pipeline's last step, sees them.

        Rows keep their shape as long as the earlier steps keep the number of features.

        Returns
        -------
        ndarray of shape (N, ...)
            The inputs.
        """
        seen_ND = self._answer("inputs").numpy(force=True)
        shape = self._data.shape[1:]
        if seen_ND.shape[1] == math.prod(shape):
            return seen_ND.reshape(len(self), *shape)
        return seen_ND

    def seen_by(self, model: Model, some: NDArray[np.intp]) -> "Rows":
        """Return some of these rows, seen through another model.

        Parameters
        ----------
        model : Model
            The other model.
        some : ndarray of shape (n,)
            Positions among these rows.

        Returns
        -------
        Rows
            The rows.
        """
        return Rows(self._data, self._positions[some], model, self._seed)

    def at(self, some: Tensor) -> "Rows":
        """Return some of these rows, whose answers are computed anew.

        Parameters
        ----------
        some : Tensor of shape (n,)
            Positions among these rows.

        Returns
        -------
        Rows
            The rows.
        """
        return self.seen_by(self._model, some.numpy(force=True))

    def predict_proba(self) -> Tensor:
        """Return class probabilities of shape (N, C).

        Returns
        -------
        Tensor of shape (N, C)
            The probabilities.
        """
        return self._answer("predict_proba")

    def predict_evidence(self) -> Tensor:
        """Return evidence for each class, of shape (N, C).

        Returns
        -------
        Tensor of shape (N, C)
            The evidence.
        """
        return self._answer("predict_evidence")

    def predict_novelty(self) -> Tensor:
        """Return how unlike the labelled rows each row is, (N,).

        Returns
        -------
        Tensor of shape (N,)
            High = unlike them.
        """
        return self._answer("predict_novelty")

    def predict_votes(self) -> Tensor:
        """Return the classes predicted at stages of the training, (N, T).

        Returns
        -------
        Tensor of shape (N, T)
            Positions of classes.
        """
        return self._answer("predict_votes")

    def predict_loss(self) -> Tensor:
        """Return predicted losses of shape (N,), of any scale.

        Returns
        -------
        Tensor of shape (N,)
            The losses.
        """
        if not isinstance(self._model, PredictsLoss):
            raise CapabilityError(
                "Predicted losses are asked for, and the classifier has no "
                "`predict_loss`. Pass a LossPredictionClassifier."
            )
        return self._answer("predict_loss")

    def embed(self) -> Tensor:
        """Return embeddings of shape (N, D), the inputs where the model has none.

        Returns
        -------
        Tensor of shape (N, D)
            The embeddings.
        """
        if isinstance(self._model, Embeds):
            return self._answer("embed")
        if ("embed",) not in self._answers:
            self._answers[("embed",)] = self._placed("embed", self._answer("inputs"))
        return self._answers[("embed",)]

    def features_with_bias(self) -> Tensor:
        """Return ``[h, 1]``, (N, D + 1): embeddings, and a one for the bias.

        Returns
        -------
        Tensor of shape (N, D + 1)
            The features.
        """
        return pad(self.embed(), (0, 1), value=1.0)

    def linear_head(self) -> tuple[Tensor, Tensor]:
        """Return the weights (C, D) and biases (C,) that make logits of embeddings.

        Returns
        -------
        tuple of Tensor
            Weights and biases.
        """
        rows = take(self._data, self._positions[:_N_SHOWN])
        head: tuple[Tensor, Tensor] = self._model.linear_head(rows)  # type: ignore[attr-defined]
        weight_CD, bias_C = (part.to(self.embed()) for part in head)
        return weight_CD, bias_C

    def head_has_bias(self) -> bool:
        """Return whether the layer after the embedding has a bias, as most have.

        Returns
        -------
        bool
            Whether it has one.
        """
        if not hasattr(self._model, "head_has_bias"):
            return True
        return self._model.head_has_bias(take(self._data, self._positions[:1]))

    def predict_and_embed(self) -> tuple[Tensor, Tensor]:
        """Return probabilities (N, C) and embeddings (N, D), in one pass.

        Returns
        -------
        tuple of Tensor
            Probabilities and embeddings.
        """
        if hasattr(self._model, "predict_and_embed") and not self._answers:
            both = self._by_chunk("predict_and_embed")
            for name, chunks in zip(
                ("predict_proba", "embed"), zip(*both, strict=True), strict=True
            ):
                self._answers[(name,)] = _joined(chunks, 0)
        return self.predict_proba(), self.embed()

    def gradient_features(self, weights: str, n_features: int) -> Tensor:
        """Return features (N, n_features or less) of gradients by weights of a net.

        Those of a classifier's loss, of a regressor's output, and the inputs with a
        constant where there is neither. All rows of a query are sketched alike.

        Parameters
        ----------
        weights : {"last", "all"}
            Whose gradient: of the last layer, or of all linear ones.
        n_features : int
            Longest features that are wanted.

        Returns
        -------
        Tensor of shape (N, n_features or less)
            The features.
        """
        seed = derived_seed(self._seed, 2)
        if weights == "all" and isinstance(self._model, HasWeightGradients):
            return self._answer("weight_gradients", n_features, seed)
        sketch = torch.Generator().manual_seed(seed)
        if hasattr(self._model, "predict_proba"):
            return last_layer_features(*self.predict_and_embed(), n_features, sketch)
        return last_layer_features(None, self.embed(), n_features, sketch)

    def jacobian(self, n_features: int) -> Tensor:
        """Return slopes of the net of shape (N, n_features or less), sketched alike.

        Parameters
        ----------
        n_features : int
            Longest sketch that is wanted.

        Returns
        -------
        Tensor of shape (N, n_features or less)
            The slopes.
        """
        return self._answer("jacobian", n_features, derived_seed(self._seed, 2))

    def sample_proba(self, n_samples: int | None) -> Tensor:
        """Return coupled posterior draws of shape (S, N, C).

        Parameters
        ----------
        n_samples : int or None
            Number of draws; ``None`` is the model's own.

        Returns
        -------
        Tensor of shape (S, N, C)
            The draws.
        """
        return self._answer("sample_proba", n_samples, self._seed, dim=1)

    @property
    def has_numbers(self) -> bool:
        """Whether the model predicts numbers, of which it is not sure."""
        return isinstance(self._model, PredictsVariance | SamplesPredictions)

    @property
    def has_classes(self) -> bool:
        """Whether the model predicts classes."""
        return isinstance(self._model, PredictsProba)

    def predict_variance(self) -> tuple[Tensor, Tensor]:
        """Return epistemic variances and noise of a regressor, of shape (N, T).

        Returns
        -------
        tuple of Tensor
            Epistemic variances and noise.
        """
        epistemic_NT, noise_NT = self._answer("predict_variance", dim=1)
        return epistemic_NT, noise_NT

    def sample_predictions(self, n_samples: int | None) -> Tensor:
        """Return coupled draws of a regressor, of shape (S, N, T).

        Parameters
        ----------
        n_samples : int or None
            Number of draws; ``None`` is the model's own.

        Returns
        -------
        Tensor of shape (S, N, T)
            The draws.
        """
        return self._answer("sample_predictions", n_samples, self._seed, dim=1)

    def covariances(self, others: "Rows") -> Tensor | None:
        """Return covariances (N, M, T) of a regressor, if it knows them exactly.

        Parameters
        ----------
        others : Rows
            M rows.

        Returns
        -------
        Tensor of shape (N, M, T) or None
            The covariances.
        """
        if not isinstance(self._model, GivesCovariance):
            return None
        told = self._by_chunk("joint_covariance", X_other=others.X)
        return torch.cat(list(told))

    def gradient_lengths(self, words: bool | str) -> Tensor:
        """Return lengths (N, W, C) of the gradients that each label would cause.

        Parameters
        ----------
        words : bool or str
            Whether to look at vectors of words, or the name of their layer.

        Returns
        -------
        Tensor of shape (N, W, C)
            The lengths.
        """
        return self._answer("gradient_lengths", words)

    def score_logits(
        self, kernel: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]
    ) -> Tensor:
        """Return scores (N,) of a kernel that takes logits as a function, and rows.

        Parameters
        ----------
        kernel : callable
            Takes a function from inputs to logits, and inputs; returns scores.

        Returns
        -------
        Tensor of shape (N,)
            The scores.
        """
        chunks = self._by_chunk("differentiable_logits")
        with threads_given_back():
            return torch.cat([kernel(logits, x) for x, logits in chunks])

    def score_samples(
        self, kernel: Callable[[Tensor], Tensor], n_samples: int | None
    ) -> Tensor:
        """Return scores of shape (N,) that a kernel gives each row for its draws.

        The draws of a large pool, (S, N, C), never exist at once.

        Parameters
        ----------
        kernel : callable
            Takes draws of some rows, (S, n, C), and scores each row by itself, (n,).
        n_samples : int or None
            Number of draws; ``None`` is the model's own.

        Returns
        -------
        Tensor of shape (N,)
            The scores.
        """
        asked = "sample_proba", n_samples, self._seed
        if asked not in self._answers and len(self) > _KEPT_ROWS:
            one_S1C = next(self._by_chunk(*asked, size=1))
            size = max(1, _KEPT_DRAWS // one_S1C.numel())
            if size < len(self):
                return torch.cat([kernel(s) for s in self._by_chunk(*asked, size=size)])
        return kernel(self.sample_proba(n_samples))

    def draw(self, n_rows: int, generator: torch.Generator) -> "Rows":
        """Return that many of the rows at random, all of them if there are fewer.

        Parameters
        ----------
        n_rows : int
            How many.
        generator : torch.Generator
            Of the draw.

        Returns
        -------
        Rows
            The rows.
        """
        drawn = torch.randperm(len(self), generator=generator)[:n_rows].numpy()
        return Rows(self._data, self._positions[drawn], self._model, self._seed)

    def others(self, X: ArrayLike) -> "Rows":
        """Return other inputs, seen through the same model with the same draws.

        Parameters
        ----------
        X : array-like of shape (M, ...)
            Inputs, as the query was given its own.

        Returns
        -------
        Rows
            The rows.
        """
        data = as_data(X, "X_target")
        if is_numbers(self._data) and n_columns(data) is not None:
            data = numbers(data, "X_target", "X, an array of numbers,")
        check_alike(data, self._data, "X_target")
        if is_numbers(data):
            dtype = self._data.dtype
            is_exact = np.can_cast(data.dtype, dtype, "same_kind")
            if is_exact or np.array_equal(data.astype(dtype), data):
                data = data.astype(dtype)  # else fractions among counts: they stay
        finite = not is_numbers(data) or is_finite(data)
        if not n_rows(data) or not (finite or np.isnan(self._data).any()):
            raise ValueError("X_target must hold one row at least, and finite numbers.")
        return Rows(data, np.arange(n_rows(data)), self._model, self._seed)

    def _answer(self, name: str, *args: Any, dim: int = 0) -> Tensor:
        """Return the model's answer for all rows, the same one each time."""
        key = (name, *args)
        if key not in self._answers:
            self._answers[key] = _joined(self._by_chunk(name, *args), dim)
        return self._answers[key]

    def _by_chunk(
        self, name: str, *args: Any, size: int | None = None, **params: Any
    ) -> Iterator[Any]:
        """Yield the model's answers, for so many rows at a time or fewer."""
        method = getattr(self._model, name)
        fit_in_memory = max(1, _CHUNK_BYTES // max(1, row_bytes(self._data)))
        size = fit_in_memory if size is None else min(size, fit_in_memory)
        for start in range(0, len(self), size):
            rows = take(self._data, self._positions[start : start + size])
            with threads_given_back():
                answer = method(rows, *args, **params)
            if name == "predict_and_embed":
                proba_NC, embedding_ND = answer
                yield (
                    self._placed("predict_proba", proba_NC),
                    self._placed("embed", embedding_ND),
                )
            elif isinstance(answer, Tensor) and name != "inputs":
                yield self._placed(name, answer)
            else:
                yield answer

    def _placed(self, name: str, answer: Tensor) -> Tensor:
        """Return an answer of a method on the card that others come from, if any do.

        What stands around a net, such as a search or a calibration, answers by arrays,
        while the net inside embeds rows where it is.
        """
        answer = computable(answer)
        if answer.is_cpu and not has_card():
            return answer
        with threads_given_back():
            rows = take(self._data, self._positions[:1])
            return answer.to(self._model.place(rows, name, answer.device))


def _joined(parts: Iterable[Tensor], dim: int) -> Tensor:
    """Return the answers for all rows; a single part is not copied."""
    first, *others = parts
    return torch.cat([first, *others], dim=dim) if others else first
