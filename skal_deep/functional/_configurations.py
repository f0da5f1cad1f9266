"""Configurations of the labels of a batch, and what they tell about the weights."""

from collections.abc import Iterator

import torch
from torch import Tensor

# Numbers of groups of configurations, from which bounds are computed.
_N_GROUPS = 16, 128, 1024
# Directions in which groups are split: those in which predictions vary most.
_N_DIRECTIONS = 16


class Configurations:
    """Configurations of the labels of the picks so far, and what they tell.

    ``log_joint_MS`` holds ``log p(y_m | w_s)``, up to a constant for each row.

    Parameters
    ----------
    samples_SNC : Tensor of shape (S, N, C)
        Posterior draws.
    n_configurations : int
        Largest number M of configurations: all as long as they are no more, sampled
        ones after that.
    """

    def __init__(self, samples_SNC: Tensor, n_configurations: int):
        self._n_draws = len(samples_SNC)
        self._n_configurations = n_configurations
        self._log_joint_MS = torch.zeros(
            1, self._n_draws, dtype=torch.float64, device=samples_SNC.device
        )
        self._log_proba_TSC: list[Tensor] = []
        self._exact = True

    def learn(self, proba_SC: Tensor, generator: torch.Generator) -> None:
        """Take in the label of one more pick."""
        tiny = torch.finfo(torch.float64).tiny  # keeps a product of zeros finite
        log_proba_SC = proba_SC.double().clamp_min(tiny).log()
        self._log_proba_TSC.append(log_proba_SC)
        n_exact = len(self._log_joint_MS) * proba_SC.shape[1]
        if self._exact and n_exact <= self._n_configurations:
            joint_MCS = self._log_joint_MS[:, None] + log_proba_SC.T
            self._log_joint_MS = joint_MCS.reshape(-1, self._n_draws)
        elif self._exact:
            self._exact = False
            n_each = max(1, self._n_configurations // self._n_draws)
            shape = n_each * self._n_draws, self._n_draws
            self._log_joint_MS = self._log_joint_MS.new_zeros(shape)
            for log_proba_SC in self._log_proba_TSC:
                self._sample(log_proba_SC, generator)
        else:
            self._sample(log_proba_SC, generator)

    def _sample(self, log_proba_SC: Tensor, generator: torch.Generator) -> None:
        """Draw one more label for each configuration, from the draw that made it."""
        n_each = len(self._log_joint_MS) // self._n_draws
        cdf_SC = log_proba_SC.exp().cumsum(-1)
        uniform_SE = torch.rand(
            self._n_draws, n_each, dtype=torch.float64, generator=generator
        ).to(cdf_SC.device)
        label_SE = torch.searchsorted(cdf_SC, uniform_SE * cdf_SC[:, -1:], right=True)
        label_M = label_SE.clamp_max(cdf_SC.shape[1] - 1).flatten()
        self._log_joint_MS += log_proba_SC.T[label_M]

    def posterior(self) -> tuple[Tensor, Tensor]:
        """Return ``pi`` (M,) and ``W`` (M, S)."""
        weight_MS = self._log_joint_MS.softmax(-1)
        if self._exact:
            return self._log_joint_MS.logsumexp(-1).softmax(0), weight_MS
        n = len(weight_MS)
        return weight_MS.new_full((n,), 1 / n), weight_MS


def principal_directions(samples_SNC: Tensor) -> Tensor:
    """Return what weights of draws are compared by, of shape (S, K).

    Rows of weights W that are close after this map give close mean predictions
    ``W P`` over the whole pool: it is the square root of the covariance of the
    predictions between draws, its largest directions only.
    """
    n_draws = len(samples_SNC)
    proba_SF = samples_SNC.reshape(n_draws, -1)
    gram_SS = (proba_SF @ proba_SF.T).double()
    center_SS = torch.eye(n_draws, device=gram_SS.device).double() - 1 / n_draws
    variance_S, direction_SS = torch.linalg.eigh(center_SS @ gram_SS @ center_SS)
    largest_SK: Tensor = direction_SS[:, -_N_DIRECTIONS:]
    largest_SK *= variance_S[-_N_DIRECTIONS:].clamp_min(0).sqrt()
    return largest_SK


def grouped(
    pi_M: Tensor, weight_MS: Tensor, direction_SK: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield ``pi`` and mean ``W`` of groups of configurations, coarsest first.

    Groups are halved again and again at the median of the direction in which they
    are widest, as in a k-d tree. Nothing is yielded where there are too few
    configurations for groups to save work.
    """
    sizes = [n for n in _N_GROUPS if 4 * n <= len(weight_MS)]
    if not sizes:
        return
    n_copies = -len(weight_MS) % sizes[-1]  # of probability 0, for groups of equal size
    pi_M = torch.cat([pi_M, pi_M.new_zeros(n_copies)])
    weight_MS = torch.cat([weight_MS, weight_MS[:n_copies]])
    place_MK = weight_MS @ direction_SK.to(weight_MS)
    order_GM = torch.arange(len(pi_M), device=pi_M.device)[None]
    while len(order_GM) < sizes[-1]:
        place_GMK = place_MK[order_GM]
        widest_G11 = place_GMK.var(1).argmax(-1)[:, None, None]
        place_GM = place_GMK.gather(2, widest_G11.expand(*order_GM.shape, 1))[..., 0]
        order_GM = order_GM.gather(1, place_GM.argsort(1))
        order_GM = order_GM.reshape(2 * len(order_GM), -1)
    joint_MS = (pi_M[:, None] * weight_MS)[order_GM.flatten()]
    for n_groups in sizes:
        joint_GS = joint_MS.reshape(n_groups, -1, joint_MS.shape[1]).sum(1)
        pi_G = joint_GS.sum(-1)
        joint_GS, pi_G = joint_GS[pi_G > 0], pi_G[pi_G > 0]
        yield pi_G, joint_GS / pi_G[:, None]
