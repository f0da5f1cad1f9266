"""Rounds through clusters against the turns written out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import (
    average_linkage,
    cluster_rounds,
    margin,
    rounds,
    top_k,
)
from skal_deep.functional.rounds import halve, linkage_of_part

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "clustering.npz")
H, P = torch.as_tensor(GOLDEN["H"]), torch.as_tensor(GOLDEN["P"])
UNLABELED = GOLDEN["unlabeled"]
SCORES = margin(P[UNLABELED][None])


def turns(scores, clusters, batch_size, n_considered):
    """The paper's loop, with the best row of a cluster for a random one."""
    groups = {}
    for row in sorted(range(len(scores)), key=lambda i: -scores[i])[:n_considered]:
        groups.setdefault(clusters[row], []).append(row)
    order = sorted(groups.values(), key=len)
    picks = []
    while len(picks) < batch_size:
        picks += [group.pop(0) for group in order if group]
    return picks[:batch_size]


def test_golden():
    clusters = torch.as_tensor(GOLDEN["hac_labels"])[UNLABELED]
    picks, _ = cluster_rounds(SCORES, clusters, 8, n_considered=20)
    # clusters of a size tie: ours take turns by their best scores, not by their names
    assert sorted(UNLABELED[picks]) == sorted(GOLDEN["clustermargin_idx"])
    assert set(UNLABELED[picks[:3]]) == set(GOLDEN["clustermargin_idx"][:3])


def test_golden_clusters():
    ours = average_linkage(H, 24)
    pairs = set(zip(ours.tolist(), GOLDEN["hac_labels"].tolist(), strict=True))
    assert len(pairs) == 24


@pytest.mark.slow
@given(st.integers(0, 300), st.integers(1, 30), st.integers(1, 6), st.integers(0, 30))
def test_equals_the_loop(seed, n, n_clusters, n_considered):
    rng = np.random.default_rng(seed)
    scores, clusters = rng.random(n), rng.integers(n_clusters, size=n)
    batch_size = int(rng.integers(1, n + 1))
    picks, utilities = cluster_rounds(
        torch.as_tensor(scores),
        torch.as_tensor(clusters),
        batch_size,
        n_considered=n_considered,
    )
    n_considered = max(n_considered, batch_size)
    assert picks.tolist() == turns(scores, clusters, batch_size, n_considered)
    for step, pick in enumerate(picks):
        left = np.setdiff1d(np.arange(n), picks[:step])
        assert utilities[step, pick] == utilities[step, left].max() == scores[pick]


def test_one_cluster_singletons_or_no_more_than_the_batch_are_the_top_scores():
    expected = top_k(SCORES, 8)[0].tolist()
    n = len(SCORES)
    same, alone = torch.zeros(n), torch.arange(n)
    assert cluster_rounds(SCORES, same, 8, n_considered=20)[0].tolist() == expected
    assert cluster_rounds(SCORES, alone, 8, n_considered=20)[0].tolist() == expected
    some = alone % 5
    assert set(cluster_rounds(SCORES, some, 8, n_considered=8)[0].tolist()) == set(
        expected
    )


def test_linkage_of_one_row():
    assert average_linkage(H[:1], 3).tolist() == [0]


def blobs(n, n_dims, generator):
    centers = 9 * torch.randn(12, n_dims, generator=generator)
    return centers[torch.arange(n) % 12] + torch.randn(n, n_dims, generator=generator)


def copies(n, n_dims, generator):
    return blobs(n, n_dims, generator)[torch.arange(n) % (n // 2)]


def far_away(n, n_dims, generator):
    return 1e-2 * blobs(n, n_dims, generator) + 100


def within_groups(n, n_dims, generator):
    near = 1e-4 * blobs(n, n_dims, generator)
    return near + 100 * torch.randn(3, n_dims, generator=generator)[torch.arange(n) % 3]


def all_alike(n, n_dims, generator):
    return torch.ones(n, n_dims)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("make", [blobs, copies, far_away, within_groups, all_alike])
def test_linkage_by_products_is_that_by_differences(make, dtype):
    for seed in range(5):
        rows = make(120, 40, torch.Generator().manual_seed(seed)).to(dtype)
        for n_clusters in (2, 12, 60):
            # beyond the blobs merges of distances that are almost equal decide
            if make not in (copies, all_alike) and n_clusters == 60:
                continue
            ours, theirs = (
                link(rows, n_clusters) for link in (linkage_of_part, average_linkage)
            )
            pairs = set(zip(ours.tolist(), theirs.tolist(), strict=True))
            assert len(pairs) == len(theirs.unique()) == len(ours.unique())


def on_a_grid(n, n_dims, generator):
    return blobs(n, n_dims, generator)[:, :2].round()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [2, 3, 32, 33, 161])
@pytest.mark.parametrize("make", [blobs, copies, within_groups, all_alike, on_a_grid])
def test_the_tree_is_that_of_scipy_to_the_last_bit(make, n, dtype, monkeypatch):
    for seed in range(5):
        rows = make(n, 40, torch.Generator().manual_seed(seed)).to(dtype)
        squared = (rows[:, None] - rows).square().sum(-1)
        squared[0, 1] = -1e-9  # as round-off may leave it
        by_loops = rounds._tree(squared)
        with monkeypatch.context() as without:
            without.setattr(rounds, "are_compiled", lambda: False)
            np.testing.assert_array_equal(by_loops, rounds._tree(squared))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_distances_that_are_no_numbers_are_refused(dtype):
    rows = torch.finfo(dtype).max ** 0.6 * torch.randn(9, 3, dtype=dtype)
    with pytest.raises(ValueError, match="distances holds NaN or infinite"):
        linkage_of_part(rows, 3)


@pytest.mark.parametrize("scale", [1e-30, 1, 1e30])
def test_halves_of_long_rows_lie_together(scale):
    rows = blobs(480, 300, torch.Generator().manual_seed(0))
    is_wanted = torch.arange(480) % 12 < 3
    parts = halve((1e-3 * rows + 1) * scale, 45)
    assert sorted(torch.cat(parts).tolist()) == [*range(480)]
    spread = sum(float(rows[p].var(0, correction=0).sum()) * len(p) for p in parts)
    assert spread < 0.5 * 480 * float(rows.var(0, correction=0).sum())
    some = halve((1e-3 * rows + 1) * scale, 45, is_wanted)
    assert sorted(torch.cat(some).tolist()) == [*range(480)]
    own = [part.tolist() for part in some if is_wanted[part].any()]
    assert own == [part.tolist() for part in parts if is_wanted[part].any()]
    assert len(some) < len(parts)


def test_halves_lie_together():
    rows = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    parts = halve(rows, 70)
    assert sorted(torch.cat(parts).tolist()) == [*range(500)]
    assert max(map(len, parts)) <= 70
    assert len(parts) == 8
    spread = sum(float(rows[p].var(0, correction=0).sum()) * len(p) for p in parts)
    assert spread < 0.5 * 500 * float(rows.var(0, correction=0).sum())
    assert sorted(map(len, halve(torch.zeros(9, 2), 3))) == [2, 2, 2, 3]
    assert halve(rows[:0], 3) == []


def test_utilities_of_ties_are_equal():
    """Which of equal scores are considered is a matter of order; parts have another."""
    scores, clusters = torch.tensor([3.0, 2, 2, 2, 1]), torch.zeros(5)
    _, utilities = cluster_rounds(scores, clusters, 1, n_considered=2)
    assert utilities.tolist() == [[3, 2, 2, 2, 1]]
