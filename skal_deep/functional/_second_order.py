"""What labels tell, to second order in how much draws differ."""

from collections.abc import Callable

import torch
from torch import Tensor

from skal_deep._threads import for_each_part
from skal_deep.functional._chunks import chunks


class SecondOrder:
    """Quadratic forms ``sum_c (p_c - m_c)' Q (p_c - m_c) / m_c`` of the draws of rows.

    ``p_c`` are the S draws of the probability of class c, and ``m_c`` is their mean. An
    information, ``sum_c m_c E[r log r]`` of ratios r of mean predictions under some
    weights of the draws, is half such a form to second order in ``r - 1``; only Q
    depends on the weights. So a row is looked at once for all Q. Kept are its products
    of draws, of which a form takes ``O(S^2)`` operations, or, where these are more
    numbers than the draws, ``(p - m) / sqrt(m)``, of which it takes ``O(S^2 C)``.

    Parameters
    ----------
    samples_SNC : Tensor of shape (S, N, C)
        Posterior draws.
    """

    def __init__(self, samples_SNC: Tensor):
        n_draws, n, n_classes = samples_SNC.shape
        self._keeps_products = n_draws <= n_classes
        shape = (n, n_draws, n_draws) if self._keeps_products else samples_SNC.shape
        self._kept = samples_SNC.new_empty(shape)

        def work_on(part: slice) -> None:
            sample_SBC = samples_SNC[:, part]
            mean_BC = sample_SBC.mean(0)
            root_BC = torch.where(mean_BC > 0, mean_BC, 1).sqrt_()
            if self._keeps_products:
                offset_BSC = ((sample_SBC - mean_BC) / root_BC).transpose(0, 1)
                torch.bmm(offset_BSC, offset_BSC.mT, out=self._kept[part])
            else:
                torch.sub(sample_SBC, mean_BC, out=self._kept[:, part]).div_(root_BC)

        parts = chunks(n, n_draws * n_classes, samples_SNC.device)
        for_each_part(parts, lambda: work_on, samples_SNC.device)

    def form(self, form_SS: Tensor) -> Tensor:
        """Return the form with the matrix Q for each row, (N,)."""
        form_SS = form_SS.to(self._kept)
        if self._keeps_products:
            return self._kept.flatten(1) @ form_SS.flatten()
        n_draws, n, n_classes = self._kept.shape
        value_N = self._kept.new_empty(n)
        parts = list(chunks(n, n_draws * n_classes, value_N.device))

        def begin() -> Callable[[slice], None]:
            room = torch.empty_like(self._kept[:, parts[0]]).flatten()

            def work_on(part: slice) -> None:
                offset_SF = self._kept[:, part].flatten(1)
                value_SF = room[: offset_SF.numel()].view(offset_SF.shape)
                torch.mm(form_SS, offset_SF, out=value_SF).mul_(offset_SF)
                value_BC = value_SF.sum(0).view(-1, n_classes)
                torch.sum(value_BC, -1, out=value_N[part])

            return work_on

        for_each_part(parts, begin, value_N.device)
        return value_N
