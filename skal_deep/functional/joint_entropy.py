"""BatchBALD: the information that the labels of a batch carry jointly."""

import math

import torch
from torch import Tensor

from skal_deep.functional._checks import check_batch_size, check_finite, own_generator
from skal_deep.functional.information import CHUNK_ELEMENTS, bald, entropy, plogp
from skal_deep.functional.selection import without_earlier

# Share of log S at which S draws are used up: a published run with S = 100 gets there
# with its eighth pick, and chooses by round-off from then on.
_CEILING = 0.99


def batch_bald(
    samples: Tensor,
    batch_size: int,
    n_configurations: int = 2000,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose a batch greedily by its joint mutual information with the weights.

    ``I(y_1 ... y_t; w)`` grows at each pick by the gain of the new row: the BALD score
    that it has, on average, once the labels y of the picks before are known,

    ``gain(x) = sum_m pi_m { H[sum_s W_ms p_s(x)] - sum_s W_ms H[p_s(x)] }``,

    where configuration m of those labels has probability ``pi_m`` and turns the draws'
    weights from ``1/S`` into ``W_ms = p(w_s | y_m)``. This is the paper's objective, in
    a form that involves no tiny joint probabilities. All configurations are
    enumerated while they are at most ``n_configurations``; then labels are sampled
    from the draws, in equal numbers from each, and kept from pick to pick.

    S draws can carry at most log S nats. Once 99 % of that is reached, gains are
    round-off, and the rest of the batch follows the order of BALD: its utilities
    spread over what is left below log S in proportion to BALD.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Coupled posterior draws: draw s is the same model for all rows.
    batch_size : int
        Number of picks b.
    n_configurations : int, default=2000
        Largest number of label configurations.
    generator : torch.Generator, optional
        Source of sampled labels; ``None`` is a fresh one.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the joint mutual information, in nats, of the picks before t
        together with each candidate; 0 at those picks.

    References
    ----------
    A. Kirsch, J. van Amersfoort, Y. Gal. BatchBALD: Efficient and Diverse Batch
    Acquisition for Deep Bayesian Active Learning. NeurIPS, 2019.
    """
    n_draws, n = samples.shape[:2]
    check_batch_size(batch_size, n)
    check_finite(samples=samples)
    generator = own_generator(generator)
    bald_N = bald(samples)
    entropy_SN = entropy(samples)
    ceiling = math.log(n_draws)
    known = _Labels(n_draws, n_configurations, samples.device)
    left = torch.ones(n, dtype=torch.bool, device=samples.device)
    reached = 0.0
    indices: list[int] = []
    rows: list[Tensor] = []
    for step in range(batch_size):
        if reached >= _CEILING * ceiling:
            gain_N = bald_N * ((ceiling - reached) / ceiling if ceiling else 1.0)
        elif step == 0:
            gain_N = bald_N
        else:
            known.learn(samples[:, indices[-1]], generator)
            gain_N = _gains(samples, entropy_SN, *known.posterior())
        rows.append(reached + gain_N)
        pick = int(torch.where(left, gain_N, -math.inf).argmax())
        if reached < _CEILING * ceiling:
            reached += float(gain_N[pick])
        left[pick] = False
        indices.append(pick)
    picks = torch.tensor(indices, device=samples.device)
    return picks, without_earlier(torch.stack(rows), picks)


def n_informed_picks(utilities: Tensor, indices: Tensor, n_draws: int) -> int:
    """Return how many picks of :func:`batch_bald` were made below the ceiling.

    Parameters
    ----------
    utilities : Tensor of shape (b, N)
        What :func:`batch_bald` returned.
    indices : Tensor of shape (b,)
        What :func:`batch_bald` returned.
    n_draws : int
        Number S of posterior draws.
    """
    reached = utilities[torch.arange(len(indices)), indices]
    before = torch.cat([reached.new_zeros(1), reached[:-1]])
    return int((before < _CEILING * math.log(n_draws)).sum())


class _Labels:
    """Configurations of the labels of the picks so far, and what they tell.

    ``log_joint_MS`` holds ``log p(y_m | w_s)``, up to a constant for each row.
    """

    def __init__(self, n_draws: int, n_configurations: int, device: torch.device):
        self._log_joint_MS = torch.zeros(1, n_draws, dtype=torch.float64, device=device)
        self._log_proba_TSC: list[Tensor] = []
        self._exact = True
        self._n_draws = n_draws
        self._n_configurations = n_configurations

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


def _gains(
    samples_SNC: Tensor, entropy_SN: Tensor, pi_M: Tensor, weight_MS: Tensor
) -> Tensor:
    """Return the gain of each candidate, of shape (N,), never below 0.

    The logarithms cost most. They are taken in place, a chunk of candidates at a time
    that stays in the processor's cache.
    """
    n_draws, n, n_classes = samples_SNC.shape
    weight_MS, pi_M = weight_MS.to(samples_SNC.dtype), pi_M.to(samples_SNC.dtype)
    proba_SF = samples_SNC.reshape(n_draws, n * n_classes)
    joint_F = proba_SF.new_empty(n * n_classes)
    size = max(1, CHUNK_ELEMENTS // len(weight_MS))
    mean_Mf = proba_SF.new_empty(len(weight_MS), min(size, len(joint_F)))
    scratch_Mf = torch.empty_like(mean_Mf)
    for start in range(0, len(joint_F), size):
        chunk_Sf = proba_SF[:, start : start + size]
        width = chunk_Sf.shape[1]
        mean = torch.mm(weight_MS, chunk_Sf, out=mean_Mf[:, :width])
        joint_F[start : start + size] = pi_M @ plogp(mean, scratch_Mf[:, :width])
    joint_N = -joint_F.reshape(n, n_classes).sum(-1)
    return (joint_N - (pi_M @ weight_MS) @ entropy_SN).clamp_min(0)
