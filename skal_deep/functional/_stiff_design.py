"""A design in which rows tell far more than the prior, without small differences."""

import torch
from torch import Tensor

from skal_deep.functional._chunks import chunks
from skal_deep.functional._design import Factored, design_matrices


class StiffDesign:
    """What rows would change about the trace ``tr(M^-1 F)``, from M itself.

    :class:`~skal_deep.functional._design.Design` keeps ``V M^-1 V'`` and
    ``V M^-1 F M^-1 V'`` of all rows up to date by differences. Where a row tells much
    more than the regularisation these shrink by as much, and again as much, when it is
    added: no digit is left. Here they are solved for anew at each pick, which takes
    N R W^2 operations for R rows of V and W weights, where ``Design`` takes N R W.

    Parameters
    ----------
    rows, labeled, everything : Factored
        Candidates, labelled rows and those F is the mean over, in float64.
    regularization, of_labeled, of_new : float
        As in ``Design``.
    """

    def __init__(
        self,
        rows: Factored,
        labeled: Factored,
        everything: Factored,
        regularization: float,
        of_labeled: float,
        of_new: float,
    ):
        self._rows, self._of_new = rows, of_new
        self._information, self._precision = design_matrices(
            labeled, everything, regularization, of_labeled
        )
        self._start = self._precision
        values, directions = torch.linalg.eigh(self._information)
        self._root = directions * values.clamp_min(0).sqrt()

    def gains(self) -> Tensor:
        """Return by how much each row would lower the trace, of shape (N,).

        With ``M = L L'``, ``B B' = L^-1 F L'^-1`` and ``Q T = L^-1 V'`` the trace would
        be ``|B - Q Q' B|^2 + tr(B' Q (1 + of_new T T')^-1 Q' B)``: a sum, of which a
        row may leave a share of 1e-10, that is then known to all digits.
        """
        n_rows = self._rows.factor_NRK.shape[1]
        gain_N = self._precision.new_empty(len(self._rows))
        root_WW = torch.linalg.cholesky(self._precision)
        spread_WW = torch.linalg.solve_triangular(root_WW, self._root, upper=False)
        eye_RR = torch.eye(n_rows).to(gain_N)
        for part in chunks(len(self._rows), root_WW.numel(), root_WW.device):
            gradient_BWR = self._rows.at(part).gradients().mT
            turn_BWR, length_BRR = torch.linalg.qr(
                torch.linalg.solve_triangular(root_WW, gradient_BWR, upper=False)
            )
            seen_BRW = turn_BWR.mT @ spread_WW
            left_B = (spread_WW - turn_BWR @ seen_BRW).square_().sum((1, 2))
            inner_BRR = eye_RR + self._of_new * length_BRR @ length_BRR.mT
            shrunk_BRW = torch.linalg.solve(inner_BRR, seen_BRW)
            left_B += (shrunk_BRW * seen_BRW).sum((1, 2))
            gain_N[part] = spread_WW.square().sum() - left_B
        return gain_N.clamp_min_(0)

    def add(self, at_1: Tensor) -> None:
        """Add a row to the design."""
        gradient_RW = self._rows.at(at_1).gradients()[0]
        self._precision = self._precision + self._of_new * gradient_RW.T @ gradient_RW

    def kept(self, rows: Tensor, n_kept: int) -> list[int]:
        """Return which of the added rows stay if one after another is removed.

        Removing row r raises the trace by ``tr(D_rr^-1 V M^-1 F M^-1 V')`` with
        ``D_rr = 1 / of_new - V M^-1 V'``. That difference is a block of
        ``(1 / of_new + G M_0^-1 G')^-1 / of_new^2``, for the gradients G of all added
        rows and M_0 before they were added.
        """
        gradient_KRW = self._rows.at(rows).gradients()
        n_rows, start_WW = gradient_KRW.shape[1], torch.linalg.cholesky(self._start)
        stays = list(range(len(rows)))
        while len(stays) > n_kept:
            gradient_SW = gradient_KRW[stays].flatten(0, 1)
            early_WS = torch.linalg.solve_triangular(
                start_WW, gradient_SW.T, upper=False
            )
            inner_SS = early_WS.T @ early_WS
            inner_SS.diagonal().add_(1 / self._of_new)
            gap_SS = torch.cholesky_inverse(torch.linalg.cholesky(inner_SS))
            precision = self._start + self._of_new * gradient_SW.T @ gradient_SW
            root_WW = torch.linalg.cholesky(precision)
            image_SW = torch.cholesky_solve(gradient_SW.T, root_WW).T
            outer_SS = image_SW @ self._information @ image_SW.T
            block = (len(stays), n_rows, len(stays), n_rows)
            gap_KRR, outer_KRR = (
                matrix.reshape(block).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
                for matrix in (gap_SS / self._of_new**2, outer_SS)
            )
            loss_KRR = torch.linalg.solve(gap_KRR, outer_KRR)
            # of equal ones, the last is removed
            loss_K = loss_KRR.diagonal(dim1=1, dim2=2).sum(1).flip(0)
            stays.pop(len(stays) - 1 - int(loss_K.argmin()))
        return stays
