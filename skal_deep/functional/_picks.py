"""Picks that are made one after another, and the utilities behind them."""

import math

import torch
from torch import Tensor

from skal_deep.functional._card import has_loops, largest_left, take, take_largest
from skal_deep.functional._checks import check_batch_size, check_finite


class _Batch:
    """What is left, and the utilities of a batch that grows pick by pick.

    Parameters
    ----------
    candidates : Tensor of shape (N, ...)
        What is picked from. Utilities are kept in its type.
    batch_size : int
        Number of picks b.
    with_utilities : bool
        Whether to keep the utilities of all candidates, b N numbers, or those of the
        picks alone.

    Attributes
    ----------
    left_N : Tensor
        Which candidates are left.
    """

    def __init__(self, candidates: Tensor, batch_size: int, with_utilities: bool):
        n = len(candidates)
        check_batch_size(batch_size, n)
        self.left_N = torch.ones(n, dtype=torch.bool, device=candidates.device)
        self._with_utilities = with_utilities
        shape = (batch_size, n) if with_utilities else (batch_size,)
        self._utilities = candidates.new_empty(shape)


class Picks(_Batch):
    """A batch that grows pick by pick; see :class:`_Batch` for its arguments.

    Attributes
    ----------
    rows : list of int
        The picks so far.
    """

    def __init__(self, candidates: Tensor, batch_size: int, with_utilities: bool):
        super().__init__(candidates, batch_size, with_utilities)
        self.rows: list[int] = []

    def take(self, utility_N: Tensor) -> int:
        """Pick the largest utility that is left; the lowest position wins a tie."""
        pick = int(torch.where(self.left_N, utility_N, -math.inf).argmax())
        self.add(pick, utility_N)
        return pick

    def add(self, pick: int, utility_N: Tensor) -> None:
        """Pick a candidate, and keep the utilities that decided it."""
        if self._with_utilities:
            utility = torch.where(self.left_N, utility_N, 0)
        else:
            utility = utility_N[pick]
        self._utilities[len(self.rows)] = utility
        self.left_N[pick] = False
        self.rows.append(pick)

    def add_all(self, picks: list[int], pick_B: Tensor, utilities: Tensor) -> None:
        """Pick some candidates, where the utilities of picks alone are kept."""
        at = len(self.rows)
        self._utilities[at : at + len(picks)] = utilities
        self.left_N.index_fill_(0, pick_B, False)
        self.rows += picks

    def answer(self) -> tuple[Tensor, Tensor]:
        """Return the picks (b,), and utilities (b, N), 0 at earlier picks, or (b,)."""
        indices = torch.tensor(self.rows, device=self.left_N.device)
        decisive = self._utilities
        if self._with_utilities:
            decisive = decisive.gather(1, indices[:, None])
        # NaN is the largest to argmax, too; asking at each pick would wait for a card
        check_finite(utilities=decisive)
        return indices, self._utilities


class UnreadPicks(_Batch):
    """A batch that grows pick by pick, and is read at its end alone.

    A card need not be waited for at each pick, and records how one is made. The
    arguments are those of :class:`_Batch`.

    Attributes
    ----------
    step_1 : Tensor
        The number of picks so far.
    pick_B : Tensor
        The picks so far, and 0 after them.
    """

    def __init__(self, candidates: Tensor, batch_size: int, with_utilities: bool):
        super().__init__(candidates, batch_size, with_utilities)
        self.step_1 = self.left_N.new_zeros(1, dtype=torch.int64)
        self.pick_B = self.step_1.new_zeros(batch_size)

    def take(self, utility_N: Tensor) -> Tensor:
        """Pick the largest utility that is left; the lowest position wins a tie."""
        if has_loops(utility_N):
            return take_largest(utility_N, *self._places(utility_N))
        at_1 = largest_of(utility_N, self.left_N)
        self.add(at_1, utility_N)
        return at_1

    def add(self, at_1: Tensor, utility_N: Tensor) -> None:
        """Pick a candidate, and keep the utilities that decided it."""
        utility_1 = utility_N.index_select(0, at_1)
        left_N, pick_B, step_1, utility_B = self._places(utility_N)
        if has_loops(utility_N):
            take(at_1, utility_1, left_N, pick_B, step_1, utility_B)
            return
        if utility_B is not None:
            utility_B.index_copy_(0, step_1, utility_1.to(utility_B.dtype))
        pick_B.index_copy_(0, step_1, at_1)
        left_N.index_fill_(0, at_1, False)
        step_1 += 1

    def _places(
        self, utility_N: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Return where a pick is written; a row of utilities is written at once."""
        utility_B = None if self._with_utilities else self._utilities
        if utility_B is None:
            row = torch.where(self.left_N, utility_N, 0)[None]
            row = row.to(self._utilities.dtype)
            self._utilities.index_copy_(0, self.step_1, row)
        return self.left_N, self.pick_B, self.step_1, utility_B

    @property
    def utility_B(self) -> Tensor:
        """The utilities of the picks."""
        if self._with_utilities:
            return self._utilities.gather(1, self.pick_B[:, None])[:, 0]
        return self._utilities

    def answer(self) -> tuple[Tensor, Tensor]:
        """Return the picks (b,), and utilities (b, N), 0 at earlier picks, or (b,)."""
        check_finite(utilities=self.utility_B)
        return self.pick_B, self._utilities


def largest_of(value_N: Tensor, left_N: Tensor) -> Tensor:
    """Return the lowest place (1,) of the largest number of those that are left."""
    if has_loops(value_N):
        return largest_left(value_N, left_N)
    return torch.where(left_N, value_N, -math.inf).argmax(0, keepdim=True)


def without_earlier(utilities: Tensor, indices: Tensor) -> Tensor:
    """Write 0 into row t at the picks before t; return the same tensor."""
    for step, pick in enumerate(indices[:-1].tolist()):
        utilities[step + 1 :, pick] = 0
    return utilities
