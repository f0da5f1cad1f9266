"""Guessed labels: golden cases, a dense solution, borders."""

from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array

from skal_deep.functional import (
    confident_labels,
    cosine_graph,
    propagated_labels,
    sharpen,
    spread_labels,
)

FOLDER = Path(__file__).parent.parent / "golden"
SELECTORS, LEARNED = np.load(FOLDER / "selectors.npz"), np.load(FOLDER / "learned.npz")


def test_certain_rows_of_the_golden_case():
    left = SELECTORS["unlabeled"]
    rows, labels = confident_labels(torch.as_tensor(SELECTORS["P"][left]), 0.4)
    assert left[rows].tolist() == SELECTORS["ceal_highconf_at_0p4"].tolist()
    assert labels.tolist() == SELECTORS["ceal_pseudo"].tolist()


def test_propagated_labels_of_the_golden_case():
    labels, weights = propagated_labels(torch.as_tensor(LEARNED["lp_Z"]))
    assert labels.tolist() == LEARNED["lp_label"].tolist()
    np.testing.assert_allclose(weights, LEARNED["lp_weight"], rtol=1e-6)


def test_uncertain_labels_count_nothing():
    signals = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.5, 0.5]])
    _, weights = propagated_labels(signals, 0.9)  # entropies 0, .47, .97, 1
    assert weights[0] == 1
    assert 0 < weights[1] < 1
    assert weights[2:].tolist() == [0, 0]


def test_conjugate_gradients_find_the_dense_solution():
    rows_ND = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)) + 1
    graph = cosine_graph(rows_ND, 6)
    labels = torch.tensor([0, 0, 2, 2, 2])
    signals = spread_labels(graph, torch.arange(5), labels, 3, alpha=0.9)
    source = np.zeros((40, 3))
    source[[0, 1], 0], source[[2, 3, 4], 2] = 1 / 2, 1 / 3
    dense = np.linalg.solve(np.eye(40) - 0.9 * graph.toarray(), source)
    np.testing.assert_allclose(signals, dense.clip(0), atol=1e-4)
    assert not signals[:, 1].any()


def test_rows_that_nothing_reaches_count_nothing():
    blocks = np.zeros((6, 6))
    blocks[:3, :3] = blocks[3:, 3:] = (1 - np.eye(3)) / 2
    signals = spread_labels(
        csr_array(blocks), torch.tensor([0, 1]), torch.tensor([0, 1]), 2
    )
    _, weights = propagated_labels(signals)
    assert weights.isfinite().all()
    assert weights[3:].tolist() == [0, 0, 0]
    assert weights.max() == 1


def test_sharpening():
    proba = torch.as_tensor(LEARNED["mm_p"]).mean(0)
    np.testing.assert_allclose(sharpen(proba, 0.5), LEARNED["mm_sharpened"], rtol=1e-6)
    torch.testing.assert_close(sharpen(proba, 1.0), proba)
    torch.testing.assert_close(sharpen(proba, 1e-4).amax(1), torch.ones(5).double())
    zero = sharpen(torch.tensor([[1.0, 0.0]]), 0.5)
    assert zero.tolist() == [[1, 0]]
