"""Graphs and flows on them against dense algebra and golden values."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import (
    cosine_graph,
    diffusion_scores,
    graphs,
    propagate_labels,
    random_walk,
)
from skal_deep.functional.graphs import diffuse

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "clustering.npz")
H = torch.as_tensor(GOLDEN["H"])
LABELED, UNLABELED = GOLDEN["labeled"], GOLDEN["unlabeled"]


def golden_signs():
    sign = torch.as_tensor(GOLDEN["diffusion_chi"][LABELED])
    signs = torch.zeros(60, 2).double()
    signs[LABELED] = torch.stack([sign, -sign], 1)
    return signs


def test_golden_random_walk():
    walk = random_walk(H, 8)
    np.testing.assert_allclose(walk.toarray(), GOLDEN["diffusion_T"], atol=1e-12)


def test_golden_diffusion():
    """Many steps give the harmonic function; the least decided rows are the paper's."""
    signals = diffuse(random_walk(H, 8), golden_signs(), 3_000)
    np.testing.assert_allclose(signals[:, 0], GOLDEN["diffusion_chi"], atol=1e-12)
    order = signals.amax(1)[UNLABELED].argsort()[:5]
    assert UNLABELED[order].tolist() == GOLDEN["diffusion_idx"].tolist()
    assert signals.abs().max() <= 1


def test_golden_label_propagation():
    picks, utilities = propagate_labels(
        cosine_graph(H, 10), torch.as_tensor(LABELED), torch.as_tensor(UNLABELED), 5
    )
    assert UNLABELED[picks].tolist() == GOLDEN["jlp_idx"].tolist()
    left = np.setdiff1d(np.arange(54), picks[:4])
    assert utilities[4, picks[4]] == utilities[4, left].max()


@pytest.mark.slow
@given(st.integers(0, 300), st.integers(2, 15), st.integers(1, 6))
def test_propagation_equals_the_dense_solution(seed, n, k):
    g = torch.Generator().manual_seed(seed)
    points = torch.randn(n, 3, generator=g).double()
    graph = cosine_graph(points, k)
    dense = graph.toarray()
    np.testing.assert_allclose(dense, dense.T)
    assert np.abs(np.linalg.eigvalsh(dense)).max() <= 1 + 1e-9
    candidates = torch.arange(1, n)
    picks, utilities = propagate_labels(
        graph, torch.tensor([0]), candidates, n - 1, alpha=0.9
    )
    sources = np.eye(n)[0]
    for step, pick in enumerate(picks.tolist()):
        reach = np.linalg.solve(np.eye(n) - 0.9 * dense, sources)[1:]
        left = np.setdiff1d(np.arange(n - 1), picks[:step])
        np.testing.assert_allclose(utilities[step, left], -reach[left], atol=1e-6)
        assert reach[pick] <= reach[left].min() + 1e-6
        sources[1 + pick] = 1


def test_labels_reach_along_a_path():
    path = torch.stack([torch.ones(9), torch.linspace(-2, 2, 9)], 1)
    graph = cosine_graph(path, 2)
    picks, _ = propagate_labels(graph, torch.tensor([0]), torch.arange(1, 9), 1)
    assert picks.tolist() == [7]


def test_without_labels_the_most_central_row_is_first():
    graph = cosine_graph(H, 5)
    picks, utilities = propagate_labels(
        graph, torch.arange(0), torch.arange(60), 2, alpha=0.9
    )
    central = np.linalg.solve(np.eye(60) - 0.9 * graph.toarray(), np.ones(60))
    np.testing.assert_allclose(utilities[0], central, rtol=1e-6)
    assert picks[0] == central.argmax()


def test_large_graphs_are_solved_in_single_precision(monkeypatch):
    """Reach within a thousandth, float32 alone above the size, the same picks."""
    systems, own = [], graphs.cg

    def noted(system, source, *, rtol):
        systems.append((system.dtype.name, source.dtype.name, rtol))
        return own(system, source, rtol=rtol)

    monkeypatch.setattr(graphs, "cg", noted)
    rows = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    graph = cosine_graph(rows + 2, 10)
    labeled, candidates = torch.arange(0, 200, 40), torch.arange(200)
    exact, coarse = (
        propagate_labels(graph, labeled, candidates, 6, max_exact=size)
        for size in (200, 199)
    )
    assert set(systems[:6]) == {("float64", "float64", 1e-8)}
    assert set(systems[6:]) == {("float32", "float32", 1e-4)}
    assert exact[0].tolist() == coarse[0].tolist()
    np.testing.assert_allclose(coarse[1], exact[1], rtol=1e-3)
    assert coarse[1].dtype == torch.float64


def test_a_large_graph_that_labels_hardly_reach_is_solved_exactly():
    """Rows on a curve, labels at its start: residuals would decide at its end."""
    place = torch.linspace(0, 3, 400).double()
    curve = torch.stack([place.cos(), place.sin()], 1)
    graph = cosine_graph(curve, 4)
    for labeled in (torch.arange(10), torch.arange(0)):
        exact, large = (
            propagate_labels(graph, labeled, torch.arange(400), 5, max_exact=size)
            for size in (400, 399)
        )
        assert exact[0].tolist() == large[0].tolist()
        np.testing.assert_array_equal(exact[1], large[1])


def test_neighbours_of_large_pools_are_sought_in_six_groups(monkeypatch):
    asked, own = [], graphs.grouped_neighbors

    def noted(*args, **params):
        asked.append(params)
        return own(*args, **params)

    monkeypatch.setattr(graphs, "grouped_neighbors", noted)
    cosine_graph(H, 5, max_exact=len(H))
    assert not asked
    cosine_graph(H, 5, max_exact=len(H) - 1)
    random_walk(H, 5, max_exact=len(H) - 1)
    assert asked == [{"n_probed": 6}, {"n_probed": 6}]


@pytest.mark.parametrize("n_steps", [1, 2, None])
def test_few_steps_reach_no_farther(n_steps):
    line = torch.tensor([0, 1, 2.1, 3.3, 4.6, 6])[:, None].double()
    far_away = torch.cat([line, line + 100])
    walk = random_walk(far_away, 1)
    signs = torch.zeros(12, 2).double()
    signs[0] = torch.tensor([1.0, -1.0])
    signals = diffuse(walk, signs, n_steps)[:, 0]
    reached = 6 if n_steps is None else 1 + n_steps
    assert (signals[:reached] > 0).all()
    assert (signals[reached:] == 0).all()


def test_neighbors_are_others_even_among_copies():
    copies = torch.cat([torch.zeros(5, 2), torch.ones(1, 2)]).double()
    walk = random_walk(copies, 2).toarray()
    assert (np.diag(walk) == 0).all()
    assert np.isfinite(walk).all()
    assert random_walk(copies[:1], 3).toarray().tolist() == [[0.0]]
    assert cosine_graph(copies[:1], 3).toarray().tolist() == [[0.0]]


@pytest.mark.parametrize("distance", [1e4, 1e8])
def test_an_outlier_walks_to_its_neighbors(distance):
    """Its weights are below all numbers; their shares are not."""
    rows = torch.cat(
        [
            torch.randn(20, 2, generator=torch.Generator().manual_seed(0)),
            torch.zeros(1, 2),
        ]
    )
    rows[20] = distance
    walk = random_walk(rows, 3).toarray()
    np.testing.assert_allclose(walk.sum(1), 1)
    assert (walk[:20, 20] == 0).all()


def test_rows_whose_neighbors_are_many_copies_walk_to_them():
    rows = torch.cat([torch.zeros(6, 2), torch.ones(1, 2)])
    walk = random_walk(rows, 3).toarray()
    np.testing.assert_allclose(walk.sum(1), 1)
    assert (walk[:6, 6] == 0).all()


def test_rows_of_zeros_are_nobodys_neighbors():
    rows = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    with_zeros = torch.cat([rows[:10], torch.zeros(5, 3), rows[10:]])
    graph = cosine_graph(with_zeros, 4).toarray()
    kept = [*range(10), *range(15, 35)]
    assert (graph[10:15] == 0).all()
    assert (graph[:, 10:15] == 0).all()
    np.testing.assert_allclose(
        graph[np.ix_(kept, kept)], cosine_graph(rows, 4).toarray(), atol=1e-6
    )
    assert cosine_graph(torch.zeros(4, 2), 2).nnz == 0


@pytest.mark.parametrize("n_classes", range(1, 9))
def test_rows_that_no_label_reaches_score_highest(n_classes):
    """A ring where all classes meet, and a component without a label."""
    generator = torch.Generator().manual_seed(n_classes)
    crowd = torch.randn(40, 2, generator=generator)
    rows = torch.cat([crowd, 1e3 + torch.randn(10, 2, generator=generator)])
    signs = torch.zeros(50, n_classes)
    signs[:n_classes] = 2 * torch.eye(n_classes) - 1
    scores = diffusion_scores(random_walk(rows, 6), signs)
    assert (scores[40:] == 1).all()
    assert (scores[:40] < 1).all()
