"""MaxHerding over shards, in two rounds: the best of each part, then of these."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skal_deep.functional import max_herding
from skal_deep.functional._distances import Between, Points, amid
from skal_deep.shards._files import Part
from skal_deep.shards._look import Look, check_centers
from skal_deep.shards._noise import uniform
from skal_deep.shards._tasks import map_parts

# Rows that are covered: a uniform sample. As many others tell how well.
_N_COVERED = 2_000
# Rows of a part among which the first round looks.
_N_CANDIDATES = 2_000
# Streams of the noise that samples rows, and candidates.
_ROWS, _CANDIDATES = 1, 2
# So many standard deviations above the wanted size of a sample are drawn.
_MARGIN = 8


def herd_over_shards(
    parts: list[Part],
    look: Look,
    centers_LD: Tensor | None,
    batch_size: int,
    labeled: NDArray[np.int64],
    n_jobs: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, float]]:
    """Return picks, the coverage that each adds, and a certificate.

    Coverage is submodular: a batch of b rows adds at most the sum of the b largest
    gains that single rows still have beside the picks. These are computed for all rows.
    Coverage is told on rows that the picks were not chosen for.
    """
    sample_MD = _sample(parts, look, 2 * _N_COVERED, n_jobs)
    covered_MD, held_out_MD = sample_MD[::2], sample_MD[1::2]
    centers_LD = sample_MD[:0] if centers_LD is None else centers_LD
    width = look.strategy.bandwidth
    found = map_parts(
        _best_of_part, parts, n_jobs, look, covered_MD, centers_LD, batch_size, labeled
    )
    candidates_KD = torch.cat([embedding for _, embedding in found])
    ids = np.concatenate([i for i, _ in found])
    picks, gains = max_herding(
        candidates_KD,
        covered_MD,
        centers_LD,
        batch_size,
        bandwidth=width,
        with_utilities=False,
    )
    all_LD = torch.cat([centers_LD, candidates_KD[picks]])
    best = torch.cat(
        map_parts(_gains_of_part, parts, n_jobs, look, covered_MD, all_LD, batch_size)
    )
    reached = _coverage(covered_MD, all_LD, width)
    most = float(reached.mean() + best.topk(min(batch_size, len(best))).values.sum())
    held_out = _coverage(held_out_MD if len(held_out_MD) else covered_MD, all_LD, width)
    error = (
        float(held_out.std()) / math.sqrt(len(held_out)) if len(held_out) > 1 else 0.0
    )
    return (
        ids[picks.numpy()],
        gains.double().numpy(),
        {
            "coverage": float(held_out.mean()),
            "its standard error": error,
            "coverage of the sample": float(reached.mean()),
            "most possible there": min(1.0, most),
        },
    )


def _sample(parts: list[Part], look: Look, n: int, n_jobs: int | None) -> Tensor:
    """Return the embeddings of n rows, drawn uniformly, in a random order."""
    n_all = sum(map(len, parts))
    bound = min(1.0, (n + _MARGIN * math.sqrt(n)) / n_all)
    drawn = map_parts(_drawn_of_part, parts, n_jobs, look, bound)
    noise = np.concatenate([u for u, _ in drawn])
    sample = torch.cat([embedding for _, embedding in drawn])
    return sample[torch.as_tensor(np.argsort(noise)[:n])]


def _drawn_of_part(
    part: Part, look: Look, bound: float
) -> tuple[NDArray[np.float64], Tensor]:
    noise_N = uniform(look.seed, _ROWS, part.offset, len(part))
    rows = np.flatnonzero(noise_N < bound)
    embedding_ND = look.scaled(look.embeddings(part)[torch.as_tensor(rows)])
    check_centers(embedding_ND)
    return noise_N[rows], embedding_ND


def _best_of_part(
    part: Part,
    look: Look,
    covered_MD: Tensor,
    centers_LD: Tensor,
    batch_size: int,
    labeled: NDArray[np.int64],
) -> tuple[NDArray[np.int64], Tensor]:
    """Return the best of some rows of a part, drawn uniformly."""
    noise_N = uniform(look.seed, _CANDIDATES, part.offset, len(part))
    noise_N[np.isin(part.ids, labeled)] = math.inf
    n_open = int(np.isfinite(noise_N).sum())
    size = min(n_open, max(_N_CANDIDATES, 2 * batch_size))
    rows = np.sort(np.argsort(noise_N, kind="stable")[:size])
    embedding_KD = look.scaled(look.embeddings(part)[torch.as_tensor(rows)])
    if not size:
        return part.ids[rows], embedding_KD
    picks, _ = max_herding(
        embedding_KD,
        covered_MD,
        centers_LD,
        min(batch_size, size),
        bandwidth=look.strategy.bandwidth,
        with_utilities=False,
    )
    return part.ids[rows[picks.numpy()]], embedding_KD[picks]


def _kernels(
    left_ND: Tensor, right_MD: Tensor, width: float
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield the similarities of rows, block by block."""
    origin_D = amid(right_MD if len(right_MD) else left_ND)
    points, others = Points(left_ND, origin_D), Points(right_MD, origin_D)
    between = Between(points, others, width * width)
    for part, columns in between.blocks():
        yield part, columns, between.gaussian(part, columns, width)


def _coverage(data_MD: Tensor, centers_LD: Tensor, width: float) -> Tensor:
    """Return how far each row is covered, (M,)."""
    covered_M = torch.zeros(len(data_MD), dtype=torch.float64)
    for part, _, kernel_ml in _kernels(data_MD, centers_LD, width):
        covered_M[part] = torch.maximum(covered_M[part], kernel_ml.amax(-1).double())
    return covered_M


def _gains_of_part(
    part: Part, look: Look, covered_MD: Tensor, centers_LD: Tensor, n_best: int
) -> Tensor:
    """Return the largest gains of single rows of a part beside all picks."""
    width = look.strategy.bandwidth
    low_M = _coverage(covered_MD, centers_LD, width)
    gain_N = torch.zeros(len(part), dtype=torch.float64)
    embedding_ND = look.scaled(look.embeddings(part))
    check_centers(embedding_ND)
    for rows, columns, kernel_nm in _kernels(embedding_ND, covered_MD, width):
        kernel_nm.sub_(low_M[columns].to(kernel_nm)).clamp_min_(0)
        gain_N[rows] += kernel_nm.sum(-1)
    return gain_N.topk(min(n_best, len(gain_N))).values / len(covered_MD)
