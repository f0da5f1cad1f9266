"""Badge over shards, by k-means||: candidates in rounds, then k-means++ among them."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skal_deep.functional._checks import check_finite, check_rows
from skal_deep.functional.gradients import _Gradients, errors_of_likeliest
from skal_deep.pool import Badge
from skal_deep.shards._files import Part
from skal_deep.shards._look import Look, badge_factors
from skal_deep.shards._noise import gumbel, uniform
from skal_deep.shards._tasks import map_parts

# Rounds, in each of which as many candidates are drawn as there are picks.
_N_ROUNDS = 4
# Stream of the noise of the first round, and of the picks among candidates.
_ROUNDS, _PICKS = 8, 7
# Elements of the distances of candidates and rows that are held at once.
_N_HELD = 2**22

Factors = tuple[Tensor, Tensor]


def seed_over_shards(
    parts: list[Part],
    look: Look,
    strategy: Badge,
    batch_size: int,
    labeled: NDArray[np.int64],
    n_jobs: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, float]]:
    """Return picks, their squared distances to those before, and what is left.

    The longest gradient is first. Each round draws candidates, without replacement and
    with probabilities proportional to squared distances to those before; the noise
    belongs to a row. Candidates are weighed by how many rows they are nearest to, and
    the picks drawn among them by k-means++. That is not Badge's law, but close to it.
    """
    ask = look, strategy
    longest = map_parts(_longest_of_part, parts, n_jobs, *ask, labeled)
    # squares of small errors must be numbers: shares do not depend on the scale
    largest = max(found[3] for found in longest)
    scale = 2.0 ** -math.frexp(max(largest, torch.finfo(torch.float32).tiny))[1]
    first = max(longest, key=lambda found: (found[0], -found[1]))
    ids = np.array([first[1]], dtype=np.int64)
    candidates = tuple(factor[None] for factor in first[2])
    n_ahead = max(batch_size, 2)
    for number in range(_N_ROUNDS):
        stream, taken = _ROUNDS + number, np.concatenate([labeled, ids])
        found = map_parts(
            _far_of_part, parts, n_jobs, *ask, candidates, scale, n_ahead, stream, taken
        )
        key = np.concatenate([f[0] for f in found])
        order = np.argsort(-key, kind="stable")[:n_ahead]
        ids = np.concatenate([ids, np.concatenate([f[1] for f in found])[order]])
        candidates = tuple(
            torch.cat([candidates[i], torch.cat([f[2][i] for f in found])[order]])
            for i in range(2)
        )
        if len(order) < n_ahead:  # every row is a candidate
            break
    counts = map_parts(_owners_of_part, parts, n_jobs, *ask, candidates, scale)
    weight_K = torch.stack(counts).sum(0).double()
    gradients = _Gradients(candidates[0] * scale, candidates[1])
    picks, squared = _k_means_plus_plus(gradients, weight_K, batch_size, look.seed)
    chosen = tuple(factor[picks] for factor in candidates)
    left = map_parts(_left_of_part, parts, n_jobs, *ask, chosen, scale)
    n = sum(map(len, parts))
    return (
        ids[picks],
        squared / scale**2,
        {
            "mean squared distance to the picks": sum(left) / scale**2 / n,
            "mean squared length": sum(f[4] for f in longest) / n,
        },
    )


def _factors(look: Look, strategy: Badge, part: Part) -> Factors:
    proba_NC, embedding_ND = badge_factors(look, strategy, part)
    check_finite(probas=proba_NC)
    check_rows(embeddings=embedding_ND)
    return errors_of_likeliest(proba_NC), embedding_ND


def _longest_of_part(
    part: Part, look: Look, strategy: Badge, labeled: NDArray[np.int64]
) -> tuple[float, int, Factors, float, float]:
    """Return length and number of the longest row, its factors, and two sums."""
    error_NC, embedding_ND = _factors(look, strategy, part)
    norm_N = error_NC.double().square().sum(-1) * embedding_ND.double().square().sum(-1)
    total = float(norm_N.sum())
    norm_N[torch.as_tensor(np.isin(part.ids, labeled))] = -1
    at = int(norm_N.argmax())
    # copies: a view is sent with all memory that it looks into
    factors = error_NC[at].clone(), embedding_ND[at].clone()
    return (
        float(norm_N[at]),
        part.offset + at,
        factors,
        float(error_NC.abs().max()),
        total,
    )


def _nearest(
    error_NC: Tensor, embedding_ND: Tensor, candidates: tuple[Tensor, ...], scale: float
) -> tuple[Tensor, Tensor]:
    """Return squared distances (N,) to the nearest candidate, and which it is."""
    n_candidates = len(candidates[0])
    squared_N = error_NC.new_empty(len(error_NC))
    owner_N = torch.empty(len(error_NC), dtype=torch.long)
    size = max(1, _N_HELD // n_candidates)
    for start in range(0, len(error_NC), size):
        some = slice(start, min(start + size, len(error_NC)))
        gradients = _Gradients(
            scale * torch.cat([candidates[0], error_NC[some]]),
            torch.cat([candidates[1], embedding_ND[some]]),
        )
        others = list(range(n_candidates, n_candidates + some.stop - some.start))
        squared_Kn = gradients.distances(list(range(n_candidates)), among=others)
        squared_N[some], owner_N[some] = squared_Kn.min(0)
    return squared_N.double(), owner_N


def _far_of_part(
    part: Part,
    look: Look,
    strategy: Badge,
    candidates: tuple[Tensor, ...],
    scale: float,
    n_rows: int,
    stream: int,
    taken: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.int64], Factors]:
    error_NC, embedding_ND = _factors(look, strategy, part)
    squared_N, _ = _nearest(error_NC, embedding_ND, candidates, scale)
    noise_N = gumbel(look.seed, stream, part.offset, len(part))
    # copies of candidates come last, in the order of their noise
    tiny = np.finfo(np.float64).tiny
    key_N = np.log(np.maximum(squared_N.numpy(), tiny)) + noise_N
    key_N[np.isin(part.ids, taken)] = -math.inf
    order = np.argsort(-key_N, kind="stable")[:n_rows]
    order = order[np.isfinite(key_N[order])]
    rows = torch.as_tensor(order)
    return key_N[order], part.ids[order], (error_NC[rows], embedding_ND[rows])


def _owners_of_part(
    part: Part,
    look: Look,
    strategy: Badge,
    candidates: tuple[Tensor, ...],
    scale: float,
) -> Tensor:
    owner_N = _nearest(*_factors(look, strategy, part), candidates, scale)[1]
    return torch.bincount(owner_N, minlength=len(candidates[0]))


def _left_of_part(
    part: Part, look: Look, strategy: Badge, picks: tuple[Tensor, ...], scale: float
) -> float:
    return float(_nearest(*_factors(look, strategy, part), picks, scale)[0].sum())


def _k_means_plus_plus(
    gradients: _Gradients, weight_K: Tensor, n_picks: int, seed: int
) -> tuple[list[int], NDArray[np.float64]]:
    """Return draws by weight times squared distance, the first candidate before."""
    picks, far = [0], [float(gradients.norm_N[0])]
    nearest_K = gradients.distances([0])[0].double()
    left_K = torch.ones_like(weight_K)
    draws = uniform(seed, _PICKS, 0, n_picks)
    for draw in draws[1:].tolist():
        left_K[picks[-1]] = 0
        share_K = left_K * weight_K * nearest_K
        if not share_K.any():  # copies alone are left
            share_K = left_K
        cdf_K = share_K.cumsum(0)
        at = int(torch.searchsorted(cdf_K, draw * cdf_K[-1], right=True))
        pick = min(at, int(share_K.nonzero().max()))
        picks.append(pick)
        far.append(float(nearest_K[pick]))
        nearest_K = nearest_K.minimum(gradients.distances([pick])[0].double())
    return picks, np.array(far)
