"""What labels tell, to second order in how much draws differ."""

from collections.abc import Iterator

import torch
from torch import Tensor

from skal_deep.functional._chunks import chunks


class SecondOrder:
    """Quadratic forms ``sum_c (p_c - m_c)' Q (p_c - m_c) / m_c`` of the draws of rows.

    ``p_c`` are the S draws of the probability of class c, and ``m_c`` is their mean. An
    information, ``sum_c m_c E[r log r]`` of ratios r of mean predictions under some
    weights of the draws, is half such a form to second order in ``r - 1``; only Q
    depends on the weights. So a row is looked at once for all Q, in ``O(S^2 C)``
    operations, and a form then takes ``O(S^2)``.

    Parameters
    ----------
    samples_SNC : Tensor of shape (S, N, C)
        Posterior draws.
    """

    def __init__(self, samples_SNC: Tensor):
        self._samples_SNC = samples_SNC
        n_draws, n, n_classes = samples_SNC.shape
        self._product_NP: Tensor | None = None
        if n_draws <= n_classes:  # else products would be more than the draws
            self._product_NP = samples_SNC.new_empty(n, n_draws**2)
            for part in self._parts():
                offset_BSC = self._offsets(part).transpose(0, 1)
                product_BSS = self._product_NP[part].unflatten(1, (n_draws, n_draws))
                torch.bmm(offset_BSC, offset_BSC.mT, out=product_BSS)

    def form(self, form_SS: Tensor) -> Tensor:
        """Return the form with the matrix Q for each row, (N,)."""
        form_SS = form_SS.to(self._samples_SNC)
        if self._product_NP is not None:
            return self._product_NP @ form_SS.flatten()
        value_N = self._samples_SNC.new_empty(self._samples_SNC.shape[1])
        for part in self._parts():
            offset_SF = self._offsets(part).flatten(1)
            value_F = (form_SS @ offset_SF).mul_(offset_SF).sum(0)
            value_N[part] = value_F.unflatten(0, (len(value_N[part]), -1)).sum(-1)
        return value_N

    def _parts(self) -> Iterator[slice]:
        n_draws, n, n_classes = self._samples_SNC.shape
        return chunks(n, n_draws * n_classes, self._samples_SNC.device)

    def _offsets(self, part: slice) -> Tensor:
        """Return ``(p - m) / sqrt(m)`` of some rows, 0 where m is 0."""
        sample_SBC = self._samples_SNC[:, part]
        mean_BC = sample_SBC.mean(0)
        return (sample_SBC - mean_BC) / torch.where(mean_BC > 0, mean_BC, 1).sqrt()
