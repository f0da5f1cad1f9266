"""What one query may look at."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from skal_deep.classifier import Model

# Rows are handed to the model in chunks of about this size, so that a pool that is
# mapped from a file need never be in memory as a whole.
_CHUNK_BYTES = 2**28

# Draws of that many numbers, 128 MiB in float32, are kept for whoever asks next; more
# are scored chunk by chunk.
_KEPT_DRAWS = 2**25


class Rows:
    """Some rows of the data, seen through the model; each answer is computed once.

    Parameters
    ----------
    data : ndarray of shape (n_samples, ...)
        All inputs.
    positions : ndarray of shape (N,)
        Which of them.
    model : Model
        Answers for them.
    seed : int
        Seed of posterior draws; equal seeds give coupled draws.
    """

    def __init__(
        self, data: NDArray[Any], positions: NDArray[np.intp], model: Model, seed: int
    ):
        self._data = data
        self._positions = positions
        self._model = model
        self._seed = seed
        self._answers: dict[Any, Tensor] = {}

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def X(self) -> NDArray[Any]:
        """The inputs, of shape (N, ...)."""
        return self._data[self._positions]

    def predict_proba(self) -> Tensor:
        """Return class probabilities of shape (N, C)."""
        return self._answer("predict_proba")

    def predict_evidence(self) -> Tensor:
        """Return evidence for each class, of shape (N, C)."""
        return self._answer("predict_evidence")

    def embed(self) -> Tensor:
        """Return embeddings of shape (N, D)."""
        return self._answer("embed")

    def predict_and_embed(self) -> tuple[Tensor, Tensor]:
        """Return probabilities (N, C) and embeddings (N, D), in one pass."""
        if hasattr(self._model, "predict_and_embed") and not self._answers:
            both = self._by_chunk("predict_and_embed")
            for name, chunks in zip(
                ("predict_proba", "embed"), zip(*both, strict=True), strict=True
            ):
                self._answers[(name,)] = torch.cat(chunks)
        return self.predict_proba(), self.embed()

    def sample_proba(self, n_samples: int | None) -> Tensor:
        """Return coupled posterior draws of shape (S, N, C)."""
        return self._answer("sample_proba", n_samples, self._seed, dim=1)

    def gradient_lengths(self, words: bool) -> Tensor:
        """Return lengths (N, W, C) of the gradients that each label would cause."""
        return self._answer("gradient_lengths", words)

    def score_logits(
        self, kernel: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]
    ) -> Tensor:
        """Return scores (N,) of a kernel that takes logits as a function, and rows."""
        chunks = self._by_chunk("differentiable_logits")
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
        """
        asked = "sample_proba", n_samples, self._seed
        if asked not in self._answers:
            one_S1C = next(self._by_chunk(*asked, size=1))
            size = max(1, _KEPT_DRAWS // one_S1C.numel())
            if size < len(self):
                return torch.cat([kernel(s) for s in self._by_chunk(*asked, size=size)])
        return kernel(self.sample_proba(n_samples))

    def draw(self, n_rows: int, generator: torch.Generator) -> "Rows":
        """Return that many of the rows at random, all of them if there are fewer."""
        drawn = torch.randperm(len(self), generator=generator)[:n_rows].numpy()
        return Rows(self._data, self._positions[drawn], self._model, self._seed)

    def others(self, X: ArrayLike) -> "Rows":
        """Return other inputs, seen through the same model with the same draws."""
        data = np.asarray(X, dtype=self._data.dtype)
        if data.shape[1:] != self._data.shape[1:]:
            raise ValueError(
                f"Inputs of shape {data.shape[1:]} were given beside a pool of shape "
                f"{self._data.shape[1:]}."
            )
        return Rows(data, np.arange(len(data)), self._model, self._seed)

    def _answer(self, name: str, *args: Any, dim: int = 0) -> Tensor:
        """Return the model's answer for all rows, the same one each time."""
        key = (name, *args)
        if key not in self._answers:
            self._answers[key] = torch.cat(list(self._by_chunk(name, *args)), dim=dim)
        return self._answers[key]

    def _by_chunk(
        self, name: str, *args: Any, size: int | None = None
    ) -> Iterator[Any]:
        """Yield the model's answers, for so many rows at a time or fewer."""
        method = getattr(self._model, name)
        fit_in_memory = max(1, _CHUNK_BYTES // max(1, self._data[:1].nbytes))
        size = fit_in_memory if size is None else min(size, fit_in_memory)
        for start in range(0, len(self), size):
            yield method(self._data[self._positions[start : start + size]], *args)


class Pool(Rows):
    """The candidates of one query, and what is known beside them.

    Attributes
    ----------
    labeled : Rows
        The labelled rows.
    y_labeled : ndarray of shape (M,)
        Their labels.
    unlabeled : Rows
        The unlabelled rows of the data, candidates or not.
    is_foreign : bool
        Whether the candidates were given as inputs, not as rows of the data.
    generator : torch.Generator
        The one source of randomness, on the CPU.
    """

    def __init__(
        self,
        data: NDArray[Any],
        positions: NDArray[np.intp],
        model: Model,
        seed: int,
        *,
        labeled: Rows,
        y_labeled: NDArray[Any],
        unlabeled: Rows,
        is_foreign: bool,
        generator: torch.Generator,
    ):
        super().__init__(data, positions, model, seed)
        self.labeled = labeled
        self.y_labeled = y_labeled
        self.unlabeled = unlabeled
        self.is_foreign = is_foreign
        self.generator = generator

    @property
    def population(self) -> Rows:
        """What candidates are taken from: the unlabelled rows, if there are any."""
        return self.unlabeled if len(self.unlabeled) else self

    def whole(self) -> "Pool":
        """Return the pool that scores of the candidates are compared in.

        For candidates that were given as inputs these are the unlabelled rows of the
        data, so that a pool may be scored in parts; else it is the candidates. Draws
        from the generator of the one are those from that of the other.
        """
        if not self.is_foreign or not len(self.unlabeled):
            return self
        generator = torch.Generator()
        generator.set_state(self.generator.get_state())
        return Pool(
            self.unlabeled._data,
            self.unlabeled._positions,
            self._model,
            self._seed,
            labeled=self.labeled,
            y_labeled=self.y_labeled,
            unlabeled=self.unlabeled,
            is_foreign=False,
            generator=generator,
        )
