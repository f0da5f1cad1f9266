"""BatchBALD: the information that the labels of a batch carry jointly."""

import math
from functools import cached_property

import torch
from torch import Tensor

from skal_deep.functional._checks import check_finite, own_generator
from skal_deep.functional._configurations import (
    Configurations,
    grouped,
    principal_directions,
)
from skal_deep.functional._picks import Picks
from skal_deep.functional.information import CHUNK_ELEMENTS, bald, plogp

# Share of log S at which S draws are used up: a published run with S = 100 gets there
# with its eighth pick, and chooses by round-off from then on.
_CEILING = 0.99
# Bounds in float32 may fall short by round-off.
_ROUND_OFF = 1e-5
# Candidates with the largest bounds that are evaluated at once, to beat the others.
_N_TRIED = 8
# Elements of the predictions that are evaluated together: 16 MiB in float32.
_BLOCK_ELEMENTS = 2**22


def batch_bald(
    samples: Tensor,
    batch_size: int,
    n_configurations: int = 2000,
    generator: torch.Generator | None = None,
    with_utilities: bool = True,
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

    S draws can carry at most log S nats, which is where estimates from sampled labels
    are cut. Once 99 % of that is reached, gains are round-off, and the rest of the
    batch follows the order of BALD: its utilities spread over what is left below log S
    in proportion to BALD.

    H is concave: groups of configurations, each replaced by the mean of its W, give a
    gain that is no smaller. Without utilities, such bounds leave few candidates to be
    evaluated with all configurations; the picks are the same.

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
    with_utilities : bool, default=True
        Whether to compute the utilities, which takes the gains of all candidates.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the joint mutual information, in nats, of the picks before t
        together with each candidate; 0 at those picks. Of shape (b,), those of the
        picks alone, if the others are not asked for.

    References
    ----------
    A. Kirsch, J. van Amersfoort, Y. Gal. BatchBALD: Efficient and Diverse Batch
    Acquisition for Deep Bayesian Active Learning. NeurIPS, 2019.
    """
    check_finite(samples=samples)
    generator = own_generator(generator)
    bald_N = bald(samples)
    picks = Picks(bald_N, batch_size, with_utilities)
    gains = _Gains(samples)
    known = Configurations(samples, n_configurations)
    ceiling, reached = math.log(len(samples)), 0.0
    for step in range(batch_size):
        used_up = reached >= _CEILING * ceiling
        gain_N, share = bald_N, 1.0
        if used_up:
            share = (ceiling - reached) / ceiling if ceiling else 1.0
        elif step > 0:
            known.learn(samples[:, picks.rows[-1]], generator)
            if with_utilities:
                gain_N = gains.of_all(*known.posterior())
            else:
                gain_N = gains.largest(*known.posterior(), picks.left_N)
        pick = int(torch.where(picks.left_N, gain_N, -math.inf).argmax())
        picks.add(pick, (reached + share * gain_N).clamp_max(ceiling))
        if not used_up:
            reached = min(ceiling, reached + float(gain_N[pick]))
    return picks.answer()


def n_informed_picks(utilities: Tensor, indices: Tensor, n_draws: int) -> int:
    """Return how many picks of :func:`batch_bald` were made below the ceiling.

    Parameters
    ----------
    utilities : Tensor of shape (b, N) or (b,)
        What :func:`batch_bald` returned.
    indices : Tensor of shape (b,)
        What :func:`batch_bald` returned.
    n_draws : int
        Number S of posterior draws.
    """
    if utilities.ndim == 2:
        utilities = utilities[torch.arange(len(indices)), indices]
    before = torch.cat([utilities.new_zeros(1), utilities[:-1]])
    return int((before < _CEILING * math.log(n_draws)).sum())


class _Gains:
    """Gains of candidates, for any knowledge of the labels of the picks before."""

    def __init__(self, samples_SNC: Tensor):
        self._samples_SNC = samples_SNC
        scratch_NC = torch.empty_like(samples_SNC[0])
        one_C = scratch_NC.new_ones(scratch_NC.shape[1])
        self._entropy_SN = -torch.stack(
            [plogp(proba_NC, scratch_NC) @ one_C for proba_NC in samples_SNC]
        )

    @cached_property
    def _direction_SK(self) -> Tensor:
        return principal_directions(self._samples_SNC)

    def of_all(self, pi_M: Tensor, weight_MS: Tensor) -> Tensor:
        """Return the gains of all candidates, of shape (N,)."""
        return _gains(self._samples_SNC, self._entropy_SN, pi_M, weight_MS)

    def of(self, rows: Tensor, pi_M: Tensor, weight_MS: Tensor) -> Tensor:
        """Return the gains of some candidates, of shape (len(rows),)."""
        n_draws, n, n_classes = self._samples_SNC.shape
        if 2 * len(rows) > n:
            return self.of_all(pi_M, weight_MS)[rows]
        blocks = rows.split(max(1, _BLOCK_ELEMENTS // (n_draws * n_classes)))
        gains = [
            _gains(self._samples_SNC[:, b], self._entropy_SN[:, b], pi_M, weight_MS)
            for b in blocks
        ]
        return torch.cat(gains)

    def largest(self, pi_M: Tensor, weight_MS: Tensor, left_N: Tensor) -> Tensor:
        """Return the gains of those left that may have the largest, else -inf.

        ``sum_m pi_m H[W_m P] <= sum_g pi_g H[W_g P]`` for groups g with mean weights
        W_g, by concavity of H; the other term of the gain is the same. A candidate
        whose bound is below the gain of another has not the largest.
        """
        rows, best = left_N.nonzero()[:, 0], -math.inf
        for pi_G, weight_GS in grouped(pi_M, weight_MS, self._direction_SK):
            bound_R = self.of(rows, pi_G, weight_GS)
            tried = rows[bound_R.topk(min(_N_TRIED, len(rows))).indices]
            best = max(best, float(self.of(tried, pi_M, weight_MS).max()))
            rows = rows[bound_R >= best - _ROUND_OFF]
        gain_N = self._entropy_SN.new_full((len(left_N),), -math.inf)
        gain_N[rows] = self.of(rows, pi_M, weight_MS)
        return gain_N


def _gains(
    samples_SNC: Tensor, entropy_SN: Tensor, pi_M: Tensor, weight_MS: Tensor
) -> Tensor:
    """Return the gain of each candidate, of shape (N,), never below 0.

    The logarithms cost most. They are taken in place, a chunk of candidates at a time
    that stays in the processor's cache.
    """
    n_draws, n, n_classes = samples_SNC.shape
    proba_SF = samples_SNC.reshape(n_draws, n * n_classes)
    joint_F = proba_SF.new_empty(n * n_classes)
    size = max(1, CHUNK_ELEMENTS // len(weight_MS))
    mean_MK = proba_SF.new_empty(len(weight_MS), min(size, len(joint_F)))
    scratch_MK = torch.empty_like(mean_MK)
    for start in range(0, len(joint_F), size):
        chunk_SK = proba_SF[:, start : start + size]
        width = chunk_SK.shape[1]
        mean = torch.mm(weight_MS, chunk_SK, out=mean_MK[:, :width])
        joint_F[start : start + size] = pi_M @ plogp(mean, scratch_MK[:, :width])
    joint_N = -joint_F.reshape(n, n_classes).sum(-1)
    return (joint_N - (pi_M @ weight_MS) @ entropy_SN).clamp_min(0)
