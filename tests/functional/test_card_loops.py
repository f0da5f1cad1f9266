"""Loops of a card against operations of torch that do the same.

With ``TRITON_INTERPRET=1 SKAL_DEEP_TEST_DEVICE=cpu`` they run without a card, where
Triton is installed: its interpreter stands in for it.
"""

import math
import os

import pytest
import torch

from skal_deep.functional import _card, gradients, k_center

DEVICE = os.environ.get("SKAL_DEEP_TEST_DEVICE", "cuda")
IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not (torch.cuda.is_available() if DEVICE == "cuda" else IS_INTERPRETED),
        reason="no GPU",
    ),
]


@pytest.fixture(autouse=True)
def triton(monkeypatch):
    """Triton; its interpreter has no operations of a card's own."""
    triton = pytest.importorskip("triton")
    if IS_INTERPRETED:
        libdevice = pytest.importorskip("triton.language.extra.libdevice")
        monkeypatch.setattr(libdevice, "fast_logf", lambda x: triton.language.log(x))


def normal(*shape, dtype=torch.float32):
    source = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=source, dtype=dtype).to(DEVICE)


def places(n, k):
    """Return some of n places."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(n))[:k].to(DEVICE)


@pytest.fixture(params=[1, 512])
def least_programs(request, monkeypatch):
    """Few programs sum over classes, too; else the sums are those of another loop."""
    monkeypatch.setattr(_card, "_ENOUGH_PROGRAMS", request.param)


@pytest.mark.usefixtures("least_programs")
@pytest.mark.parametrize(
    ("has_weights", "dtype"),
    [(False, torch.float32), (True, torch.float32), (True, torch.float64)],
)
@pytest.mark.parametrize(
    "shape",
    [
        (20, 7, 3),
        (1, 5, 2),
        (40, 30, 10),
        (5, 37, 100),
        (2, 3, 1),
        (6, 3, 700),
    ],
)
def test_divergences(shape, has_weights, dtype):
    proba_RNC = (2 * normal(*shape, dtype=dtype)).softmax(-1)
    proba_RNC[:, 1] = proba_RNC[0, 1].clone()
    proba_RNC[:, 2] = 0
    proba_RNC[:, 2, 0] = 1
    weight_R = torch.full((shape[0],), 1 / shape[0], dtype=dtype, device=DEVICE)
    if has_weights:
        weight_R = normal(shape[0], dtype=dtype).softmax(0)
    exact_RNC, entropy = proba_RNC.double(), torch.special.entr
    mean_NC = torch.einsum("r,rnc->nc", weight_R.double(), exact_RNC)
    expected_N = entropy(mean_NC).sum(-1)
    expected_N -= torch.einsum("r,rn->n", weight_R.double(), entropy(exact_RNC).sum(-1))
    for some in (proba_RNC, proba_RNC.mT.contiguous().mT):
        found_N = _card.divergences(weight_R if has_weights else None, some)
        assert found_N.dtype == dtype
        assert (found_N >= 0).all()
        tolerance = 2e-6 if dtype == torch.float32 else 1e-14
        torch.testing.assert_close(found_N.double(), expected_N, rtol=0, atol=tolerance)


@pytest.mark.filterwarnings("ignore:invalid value")  # of numpy, which interprets
@pytest.mark.usefixtures("least_programs")
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("n_classes", [2, 10, 100])
def test_what_is_no_number_stays_none(n_classes, number):
    proba_RNC = normal(5, 30, n_classes).softmax(-1)
    proba_RNC[3, 7, n_classes - 1] = number
    is_number_N = _card.divergences(None, proba_RNC).isfinite()
    assert (~is_number_N).nonzero().tolist() == [[7]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("n", "n_classes", "n_dims", "n_rows", "n_others"),
    [(50, 3, 7, 5, 9), (70, 17, 300, 6, 11), (9, 1, 1, 1, 1), (30, 40, 513, 2, 3)],
)
def test_differences_of_gradients(n, n_classes, n_dims, n_rows, n_others, dtype):
    """Embeddings that do not lie side by side, and a row that is its own."""
    error_NC = normal(n, n_classes, dtype=dtype)
    embedding_ND = normal(n_dims, n, dtype=dtype).T + 1
    at_K, among_M = places(n, n_rows), places(n, n_others)
    expected_KM = gradients._of_pairs(
        (error_NC[at_K, None], error_NC[among_M]),
        (embedding_ND[at_K, None], embedding_ND[among_M]),
    )
    for wider in (n_others, n_others + 3):
        squared_KM = normal(n_rows, wider, dtype=dtype)[:, :n_others]
        _card.gradient_differences(error_NC, embedding_ND, at_K, among_M, squared_KM)
        torch.testing.assert_close(
            squared_KM,
            expected_KM.clamp_min(0),
            rtol=1e-4 if dtype == torch.float32 else 1e-12,
            atol=0,
        )
        assert squared_KM[at_K[:, None] == among_M].eq(0).all()


@pytest.mark.parametrize("adds_up", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("n", "n_classes", "n_dims", "n_rows"),
    [(50, 3, 7, 5), (700, 17, 30, 13), (9, 1, 1, 1), (300, 40, 513, 4)],
)
def test_distances_of_gradients(n, n_classes, n_dims, n_rows, dtype, adds_up):
    """Copies and near copies too, of which products tell nothing."""
    error_NC, embedding_ND = normal(n, n_classes), normal(n, n_dims)
    some, others = slice(n // 3), slice(n // 2, n // 2 + n // 3)
    error_NC[others], embedding_ND[others] = (
        error_NC[some],
        1.0001 * embedding_ND[some],
    )
    embedding_ND[n // 2] = embedding_ND[0]
    error_NC, embedding_ND = error_NC.to(dtype), embedding_ND.to(dtype)
    at_K = places(n, n_rows)
    at_K[0] = 0
    exact = error_NC.double(), embedding_ND.double()
    expected_KN = gradients._of_pairs(*((x[at_K, None], x) for x in exact))
    expected_KN[range(n_rows), at_K] = 0
    nearest_N = None
    if adds_up:
        nearest_N = expected_KN[0].roll(1).to(dtype)
        expected_KN = torch.cat([nearest_N[None].double(), expected_KN])
        expected_KN = torch.cummin(expected_KN, 0).values[1:]
    own = gradients._Gradients(error_NC, embedding_ND)
    squared_KN = normal(n_rows, n + 1, dtype=dtype)[:, :n]
    torch.mm(error_NC[at_K], error_NC.T, out=squared_KN)
    _card.gradient_distances(
        squared_KN,
        embedding_ND[at_K] @ embedding_ND.T,
        own.norm_N,
        at_K,
        (error_NC, embedding_ND),
        own._sure,
        nearest_N,
    )
    torch.testing.assert_close(squared_KN.double(), expected_KN, rtol=1e-3, atol=0)
    assert not squared_KN[0, [0, n // 2]].any(), "its own place, and that of a copy"


def is_the_same(rows_ND, nearest_N, outside, n_picks):
    """Return how many picks both loops make, which must be the same."""
    found = []
    name_N = 3 * torch.arange(len(rows_ND), device=DEVICE)
    outside = nearest_N.new_tensor(outside[:1]), name_N.new_tensor(outside[1:])
    for kind in (k_center._FarthestFirst, k_center.FarthestFirst):
        own_N = nearest_N.clone()
        steps = kind(rows_ND, name_N, own_N, outside, n_picks)
        for _ in range(-(-n_picks // kind.n_a_call)):
            steps.take_some()
        n_picked = int(steps.n_picked_1)
        found.append(
            (steps.pick_B[:n_picked].tolist(), steps.farthest_B[:n_picked], own_N)
        )
    (picks, squared_B, left_N), (others, those_B, other_N) = found
    assert others == picks
    torch.testing.assert_close(those_B, squared_B)
    torch.testing.assert_close(other_N, left_N, rtol=1e-5, atol=1e-4)
    return len(picks)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_dims", [1, 3, 200])
@pytest.mark.parametrize("n", [1, 2, 16, 17, 100, 333])
def test_the_farthest_are_picked_in_order(n, n_dims, dtype):
    """Whole numbers: many are as far as others, without round-off."""
    rows_ND = normal(n_dims, n, dtype=dtype).mul_(2).round_().T
    nearest_N = (rows_ND - rows_ND[0]).square().sum(1)
    n_picks = min(n, 25)
    assert is_the_same(rows_ND, nearest_N, (-math.inf, 3 * n), n_picks) == n_picks


@pytest.mark.parametrize("name", [0, 150, 10**6])
@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_picks_end_where_something_outside_is_as_far(name, share):
    rows_ND = normal(100, 3).mul(3).round()
    nearest_N = (rows_ND - rows_ND[0]).square().sum(1)
    outside = float(nearest_N.quantile(share, interpolation="nearest")), name
    n_picked = is_the_same(rows_ND, nearest_N, outside, 60)
    if share == 1:  # then the place decides of those that are as far
        places = 3 * (nearest_N == outside[0]).nonzero()[:, 0]
        assert (n_picked > 0) == bool((places < name).any())


def test_more_blocks_than_one_program_looks_at(monkeypatch):
    monkeypatch.setattr(_card, "_MOST_BLOCKS", 4)
    rows_ND = normal(333, 5)
    nearest_N = (rows_ND - 1).square().sum(1)
    assert is_the_same(rows_ND, nearest_N, (-math.inf, 999), 20) == 20
