"""What one query may look at."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skal_deep.classifier import Embeds, Model
from skal_deep.functional import nearest_neighbors

# Rows are handed to the model in chunks of about this size, so that a pool that is
# mapped from a file need never be in memory as a whole.
_CHUNK_BYTES = 2**28


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
        self._others: tuple[Rows, NDArray[np.intp]] | None = None

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def X(self) -> NDArray[Any]:
        """The inputs, of shape (N, ...)."""
        return self._data[self._positions]

    def take_answers_of(self, others: "Rows") -> None:
        """Look answers up in those of other rows, which these are among."""
        order = np.argsort(others._positions)
        at = np.searchsorted(others._positions, self._positions, sorter=order)
        self._others = others, order[at]

    def predict_proba(self) -> Tensor:
        """Return class probabilities of shape (N, C)."""
        return self._answer("predict_proba")

    def embed(self) -> Tensor:
        """Return embeddings of shape (N, D), the inputs where the model has none."""
        if not isinstance(self._model, Embeds):
            return self._answer("inputs")
        return self._answer("embed")

    def linear_head(self) -> tuple[Tensor, Tensor]:
        """Return the weights (C, D) and biases (C,) that make logits of embeddings."""
        rows = self._data[self._positions[:1]]
        head: tuple[Tensor, Tensor] = self._model.linear_head(rows)  # type: ignore[attr-defined]
        weight_CD, bias_C = (part.to(self.embed()) for part in head)
        return weight_CD, bias_C

    def predict_and_embed(self) -> tuple[Tensor, Tensor]:
        """Return probabilities (N, C) and embeddings (N, D), in one pass."""
        if self._others is not None:
            self._others[0].predict_and_embed()
        elif hasattr(self._model, "predict_and_embed") and not self._answers:
            both = self._by_chunk("predict_and_embed")
            for name, chunks in zip(
                ("predict_proba", "embed"), zip(*both, strict=True), strict=True
            ):
                self._answers[(name,)] = torch.cat(chunks)
        return self.predict_proba(), self.embed()

    def sample_proba(self, n_samples: int | None) -> Tensor:
        """Return coupled posterior draws of shape (S, N, C)."""
        return self._answer("sample_proba", n_samples, self._seed, dim=1)

    def _answer(self, name: str, *args: Any, dim: int = 0) -> Tensor:
        """Return the model's answer for all rows, the same one each time."""
        key = (name, *args)
        if key not in self._answers and self._others is not None:
            others, at = self._others
            answer = others._answer(name, *args, dim=dim)
            at_N = torch.as_tensor(at, device=answer.device)
            self._answers[key] = answer.index_select(dim, at_N)
        if key not in self._answers:
            self._answers[key] = torch.cat(self._by_chunk(name, *args), dim=dim)
        return self._answers[key]

    def _by_chunk(self, name: str, *args: Any) -> list[Any]:
        """Return the model's answers chunk by chunk."""
        method = getattr(self._model, name)
        size = max(1, _CHUNK_BYTES // max(1, self._data[:1].nbytes))
        return [
            method(self._data[self._positions[start : start + size]], *args)
            for start in range(0, len(self), size)
        ]


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
        if not is_foreign and np.array_equal(
            np.sort(positions), np.sort(unlabeled._positions)
        ):
            unlabeled.take_answers_of(self)

    def embed_data(self) -> Tensor:
        """Return embeddings of all rows of the data, the labelled ones first."""
        parts = (self.labeled, self.unlabeled)
        return torch.cat([rows.embed() for rows in parts if len(rows)])

    def rows_of_data(self) -> Tensor:
        """Return which rows of :meth:`embed_data` the candidates are.

        Candidates that are given as inputs stand for the nearest row.
        """
        if self.is_foreign:
            return nearest_neighbors(self.embed(), self.embed_data(), 1)[1][:, 0]
        order = np.concatenate([self.labeled._positions, self.unlabeled._positions])
        return torch.as_tensor(np.argsort(order)[self._positions])
