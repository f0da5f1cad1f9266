"""Kernels compute the utilities of all candidates only if they are asked for."""

import pytest
import torch
from support import Largest

from skal_deep import functional
from skal_deep.functional._picks import Picks

N, B = 1_000, 150


def normal(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


POINTS, KNOWN, PROBA = normal(N, 2), normal(7, 2), (3 * normal(N, 3)).softmax(-1)
SAMPLES = (2 * normal(4, N, 3)).softmax(-1)
# scores of 0 are drawn last and uniformly
SCORES = torch.where(torch.arange(N) < B // 2, normal(N).abs(), 0)
GRAPH = functional.cosine_graph(torch.cat([KNOWN, POINTS]), 10)
KERNELS = {
    "badge": lambda **k: functional.badge(PROBA, POINTS, B, generator=source(), **k),
    "bait": lambda **k: functional.bait(
        PROBA[:300], POINTS[:300], PROBA[:5], POINTS[:5], B, **k
    ),
    "cluster_rounds": lambda **k: functional.cluster_rounds(
        SCORES, torch.arange(N) % 7, B, n_considered=2 * B, **k
    ),
    "density_k_center": lambda **k: functional.density_k_center(
        POINTS, KNOWN, PROBA[:, 0], B, **k
    ),
    "falcun": lambda **k: functional.falcun(
        PROBA, B, gamma=10.0, generator=source(), **k
    ),
    "ical": lambda **k: functional.ical(
        SAMPLES, lambda n: SAMPLES[:, :n], B, n_condense=9, **k
    ),
    "k_center_greedy": lambda **k: functional.k_center_greedy(POINTS, KNOWN, B, **k),
    "k_center_greedy without centres": lambda **k: functional.k_center_greedy(
        POINTS, KNOWN[:0], B, **k
    ),
    "lcmd": lambda **k: functional.lcmd(POINTS, KNOWN, B, **k),
    "max_det": lambda **k: functional.max_det(POINTS, KNOWN, B, noise=0.1, **k),
    "max_herding": lambda **k: functional.max_herding(POINTS, POINTS, KNOWN, B, **k),
    "nearest_distinct": lambda **k: functional.nearest_distinct(POINTS, KNOWN, B, **k),
    "prob_cover": lambda **k: functional.prob_cover(
        POINTS, POINTS, KNOWN, B, radius=0.3, **k
    ),
    "propagate_labels": lambda **k: functional.propagate_labels(
        GRAPH, torch.arange(7), 7 + torch.arange(N), B, **k
    ),
    "power_sample": lambda **k: functional.power_sample(
        SCORES, B, coldness=1.0, generator=source(), **k
    ),
    "softmax_sample": lambda **k: functional.softmax_sample(
        SCORES, B, coldness=2.0, generator=source(), **k
    ),
    "softrank_sample": lambda **k: functional.softrank_sample(
        SCORES, B, coldness=1.0, generator=source(), **k
    ),
    "mixed draws": lambda **k: functional.power_sample(
        SCORES, B, coldness=1.0, generator=source(), epsilon=0.1, **k
    ),
    "top_k": lambda **k: functional.top_k(SCORES, B, **k),
    "typi_clust": lambda **k: functional.typi_clust(
        POINTS, torch.cat([KNOWN, POINTS]), 7, KNOWN, B, **k
    ),
}


def source():
    return torch.Generator().manual_seed(0)


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_without_utilities_the_picks_are_the_same(name):
    picks, utilities = KERNELS[name]()
    alone, own = KERNELS[name](with_utilities=False)
    assert alone.tolist() == picks.tolist()
    assert own.dtype == utilities.dtype
    torch.testing.assert_close(own, utilities[range(B), picks])
    for step in (1, B - 1):
        assert utilities[step, picks[:step]].eq(0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_memory_grows_with_utilities_only(name, monkeypatch):
    for budget in ("_chunks._MEMORY_BUDGET", "gradients._MEMORY_BUDGET"):
        monkeypatch.setattr(f"skal_deep.functional.{budget}", 20_000)
    with Largest() as all_rows:
        width = KERNELS[name]()[1].shape[1]
    with Largest() as own:
        KERNELS[name](with_utilities=False)
    assert all_rows.n_elements >= B * width > own.n_elements


def test_picks_are_the_largest_left_and_ties_go_to_the_lowest_position():
    picks = Picks(torch.ones(4, 2), 3, with_utilities=True)
    assert [picks.take(torch.tensor([1.0, 3, 3, 2])) for _ in range(2)] == [1, 2]
    picks.add(0, torch.arange(4.0).double())
    assert picks.left_N.tolist() == [False, False, False, True]
    indices, utilities = picks.answer()
    assert indices.tolist() == [1, 2, 0]
    assert utilities.tolist() == [[1, 3, 3, 2], [1, 0, 3, 2], [0, 0, 0, 3]]
    assert utilities.dtype == torch.float32
