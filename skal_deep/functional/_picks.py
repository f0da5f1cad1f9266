"""Picks that are made one after another, and the utilities behind them."""

import math

import torch
from torch import Tensor

from skal_deep.functional._checks import check_batch_size, check_finite


class Picks:
    """A batch that grows pick by pick.

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
    rows : list of int
        The picks so far.
    """

    def __init__(self, candidates: Tensor, batch_size: int, with_utilities: bool):
        n = len(candidates)
        check_batch_size(batch_size, n)
        self.left_N = torch.ones(n, dtype=torch.bool, device=candidates.device)
        self.rows: list[int] = []
        self._with_utilities = with_utilities
        shape = (batch_size, n) if with_utilities else (batch_size,)
        self._utilities = candidates.new_empty(shape)

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

    def add_all(self, picks: list[int], utilities: Tensor) -> None:
        """Pick some candidates, where the utilities of picks alone are kept."""
        at = len(self.rows)
        self._utilities[at : at + len(picks)] = utilities
        self.left_N[picks] = False
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


def without_earlier(utilities: Tensor, indices: Tensor) -> Tensor:
    """Write 0 into row t at the picks before t; return the same tensor."""
    for step, pick in enumerate(indices[:-1].tolist()):
        utilities[step + 1 :, pick] = 0
    return utilities
