"""What a model says about the rows of a part."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skal_deep.classifier._linear_posterior import flat_rows
from skal_deep.functional import unit_rows
from skal_deep.functional._checks import check_rows
from skal_deep.pool import Badge, DeepQueryStrategy
from skal_deep.pool._pool import Pool
from skal_deep.pool._rows import Rows
from skal_deep.shards._files import Part

Answer = Callable[[Rows], tuple[Tensor, ...]]


class Look:
    """Asks a fitted model about rows, as the query of a strategy would.

    Parameters
    ----------
    strategy : DeepQueryStrategy
        Says what a model must offer.
    clf : object
        The fitted model, or ``None``.
    seed : int
        Seed of posterior draws, which are the same for all rows.
    """

    def __init__(self, strategy: DeepQueryStrategy, clf: Any, seed: int):
        self.strategy, self.clf, self.seed = strategy, clf, seed

    def scores(self, part: Part) -> Tensor:
        """Return one score for each row, (n,)."""
        return self._ask(part, self._score)[0].double()

    def embeddings(self, part: Part) -> Tensor:
        """Return embeddings of the rows, (n, D)."""
        if self.clf is None:
            return flat_rows(part.read())
        return self._ask(part, lambda rows: (rows.embed(),))[0]

    def scaled(self, embedding_ND: Tensor) -> Tensor:
        """Return embeddings as the strategy compares them, (n, D)."""
        is_scaled = getattr(self.strategy, "normalize", False)
        return unit_rows(embedding_ND) if is_scaled else embedding_ND

    def predictions_and_embeddings(self, part: Part) -> tuple[Tensor, Tensor]:
        """Return probabilities (n, C) and embeddings (n, D)."""
        proba_NC, embedding_ND = self._ask(part, lambda rows: rows.predict_and_embed())
        return proba_NC, embedding_ND

    def _score(self, rows: Rows) -> tuple[Tensor]:
        alone: Any = _Alone(rows, type(self.strategy).__name__)
        strategy: Any = self.strategy  # one that scores, as the caller has checked
        return (strategy._score(alone),)

    def _ask(self, part: Part, answer: Answer) -> tuple[Tensor, ...]:
        X = part.read()
        # errors name the class of the query, which asks for what the strategy needs
        asked = ("_needs", "_works_on_inputs", "_does_without_labels")
        named: Any = type(
            type(self.strategy).__name__,
            (_Asker,),
            {name: getattr(self.strategy, name) for name in asked},
        )
        asker = named(answer, random_state=self.seed)
        # as inputs, the rows do not decide the seed of a query by their number
        asker.query(X[:1], [-1], self.clf, fit_clf=False, candidates=X)
        answers: tuple[Tensor, ...] = asker.answers
        return answers


class _Asker(DeepQueryStrategy):
    """A query for the sake of what a strategy sees in it.

    Parameters
    ----------
    answer : callable
        Takes the pool and returns tensors, a row for each candidate.
    missing_label, random_state
        As ever.
    """

    def __init__(
        self, answer: Answer, missing_label: Any = -1, random_state: Any = None
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.answer = answer

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        # in the order of the part; the pool has a random one
        order = torch.as_tensor(np.argsort(pool._positions))
        self.answers = tuple(a.cpu()[order] for a in self.answer(pool))
        return torch.arange(batch_size), torch.zeros(len(pool))


class _Alone:
    """The rows of a pool without anything beside them."""

    def __init__(self, rows: Rows, name: str):
        self._rows, self._name = rows, name

    def __len__(self) -> int:
        return len(self._rows)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if not hasattr(Rows, name):
            raise TypeError(
                f"{self._name} reads {name!r} of the pool, that is, more than the rows "
                "that it scores, and a part of the shards is not the pool. Take a "
                "strategy that scores each row by itself, such as BALD or "
                "MarginSampling; EPIG does with X_target."
            )
        return getattr(self._rows, name)


def check_centers(embedding_LD: Tensor) -> None:
    """Raise unless rows of any part can be compared with these.

    To be asked where they come from: later nobody knows whose they are.
    """
    other_MD = torch.ones_like(embedding_LD[:1])  # beside which they may be tiny
    check_rows(embeddings=embedding_LD, others=other_MD)


def badge_factors(look: Look, strategy: Badge, part: Part) -> tuple[Tensor, Tensor]:
    """Return probabilities and embeddings, with a constant where Badge has one."""
    proba_NC, embedding_ND = look.predictions_and_embeddings(part)
    if strategy.bias:
        embedding_ND = torch.nn.functional.pad(embedding_ND, (0, 1), value=1.0)
    return proba_NC, embedding_ND
