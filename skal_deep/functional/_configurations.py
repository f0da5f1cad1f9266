"""Configurations of the labels of a batch, and what they tell about the weights."""

from collections.abc import Iterator

import torch
from torch import Tensor

from skal_deep.functional.information import entropy, plogp

# Directions in which predictions vary most; their signs make the coarsest groups.
_N_DIRECTIONS = 3
# Rows by which these directions are found, about.
_N_SEEN = 1000
# Configurations for each group at least, so that groups save work.
_MIN_SHARE = 4


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
        self._n_draws, self._dtype = len(samples_SNC), samples_SNC.dtype
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
        """Return ``pi`` (M,) and ``W`` (M, S), in the type of the draws."""
        weight_MS = self._log_joint_MS.softmax(-1).to(self._dtype)
        if self._exact:
            pi_M = self._log_joint_MS.logsumexp(-1).softmax(0)
            return pi_M.to(self._dtype), weight_MS
        n = len(weight_MS)
        return weight_MS.new_full((n,), 1 / n), weight_MS


def principal_directions(samples_SNC: Tensor) -> Tensor:
    """Return what weights of draws are compared by, of shape (S, K).

    Rows of weights W that are close after this map give close mean predictions
    ``W P`` over the pool: it is the square root of the covariance of the predictions
    between draws, its largest directions only, by some of the rows.
    """
    n_draws, n = samples_SNC.shape[:2]
    proba_SF = samples_SNC[:, :: max(1, n // _N_SEEN)].reshape(n_draws, -1)
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

    First those on the same sides of the medians of a few directions; then those that
    favour the same draw; last, the loosest of these are split by the draw that a
    configuration favours more than its group does. For predictions ``q = W P`` the
    bound of group g is loose by ``sum_m pi_m KL(q_m || q_g)``, which is at most
    ``pi_g H(W_g) - sum_m pi_m H(W_m)`` for every candidate, by data processing.
    Nothing is yielded where there are too few configurations for groups to save work.
    """
    if not pi_M.all():
        pi_M, weight_MS = pi_M[pi_M > 0], weight_MS[pi_M > 0]
    joint_MS = pi_M[:, None] * weight_MS

    def means(group_M: Tensor) -> tuple[Tensor, Tensor]:
        n_groups = int(group_M.max()) + 1
        pi_G = _sums(pi_M, group_M, n_groups)
        return pi_G, _sums(joint_MS, group_M, n_groups) / pi_G[:, None]

    def saves_work(group_M: Tensor) -> bool:
        return _MIN_SHARE * (int(group_M.max()) + 1) <= len(group_M)

    place_MK = weight_MS @ direction_SK.to(weight_MS)
    side_MK = place_MK > place_MK.median(0).values
    bit_K = 2 ** torch.arange(side_MK.shape[1], device=side_MK.device)
    group_M = _numbered((side_MK * bit_K).sum(-1))
    if saves_work(group_M):
        yield means(group_M)
    favoured_M = weight_MS.argmax(-1)
    group_M = _numbered(favoured_M)
    if not saves_work(group_M):
        return
    pi_G, weight_GS = means(group_M)
    yield pi_G, weight_GS
    minus_own_M = pi_M * plogp(weight_MS, torch.empty_like(weight_MS)).sum(-1)
    loose_G = pi_G * entropy(weight_GS) + _sums(minus_own_M, group_M, len(pi_G))
    rows = (loose_G >= loose_G.mean())[group_M].nonzero()[:, 0]
    favoured_M[rows] = (weight_MS[rows] - weight_GS[group_M[rows]]).argmax(-1)
    group_M = _numbered(group_M * weight_MS.shape[1] + favoured_M)
    if saves_work(group_M):
        yield means(group_M)


def _numbered(key_M: Tensor) -> Tensor:
    """Return numbers from 0 up, the same where the keys are."""
    number_M: Tensor = key_M.unique(return_inverse=True)[1]
    return number_M


def _sums(values_M: Tensor, group_M: Tensor, n_groups: int) -> Tensor:
    """Return the sum over each group."""
    zeros_G = values_M.new_zeros(n_groups, *values_M.shape[1:])
    return zeros_G.index_add_(0, group_M, values_M)
