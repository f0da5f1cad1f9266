"""Kernels of distances by blocks of both sides, against all distances at once."""

import math

import pytest
import torch

from skal_deep import functional
from skal_deep.functional import _chunks
from skal_deep.functional._chunks import block_shape, chunks, memory_budget, slices
from skal_deep.functional.neighbors import closest_pair

CPU = torch.device("cpu")


def test_the_rule_of_a_processor():
    assert memory_budget(CPU) == 2**20
    assert block_shape(10**6, 10**6, CPU) == (256, 4096)
    # what one side lacks the other gets
    assert block_shape(100, 10**6, CPU) == (100, 10485)
    assert block_shape(10**6, 512, CPU) == (2048, 512)
    assert block_shape(1, 10**7, CPU) == (1, 2**20)
    assert block_shape(0, 0, CPU) == (1, 1)
    assert block_shape(10**6, 10**6, CPU, 4) == (512, 2048)
    assert [part.stop for part in chunks(10, 2**18, CPU)] == [4, 8, 10]
    assert len(list(chunks(3, 10**9, CPU))) == 3
    assert list(slices(0, 5)) == []


def test_the_rule_of_a_card(monkeypatch):
    monkeypatch.setattr(_chunks, "_memory", lambda device: 80 * 2**30)
    card = torch.device("cuda", 0)
    assert memory_budget(card) == 80 * 2**30 // 64 // 4
    height, width = block_shape(10**6, 10**6, card)
    assert height * width <= memory_budget(card) < 1.01 * height * width
    monkeypatch.setattr(_chunks, "_memory", lambda device: 2**20)
    assert memory_budget(card) == 2**20  # never below that of a processor


def test_a_device_that_does_not_tell_has_a_memory():
    assert memory_budget(torch.device("meta")) == 2**33 // 64 // 4


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def hard_rows():
    tight = 30 * normal(3, 4)[torch.arange(60) % 3] + 1e-3 * normal(60, 4, seed=1)
    return {
        "normal": normal(60, 4),
        "far tight clusters": tight,
        "an offset": normal(60, 4) + 3e4,
        "duplicates": normal(6, 4)[torch.arange(60) % 6],
        "one row": normal(1, 4),
    }


@pytest.fixture(params=[30, 300, 2**20], ids="budget={}".format)
def budget(request, monkeypatch):
    monkeypatch.setattr(_chunks, "_MEMORY_BUDGET", request.param)


@pytest.fixture(params=hard_rows(), ids=str)
def rows(request):
    return hard_rows()[request.param]


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def given(request, rows):
    return rows.to(request.param)


def plain(given):
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cdist(given.double(), given.double(), compute_mode=mode)


def test_density(given, budget):
    for width in (0.5, None):
        squared = plain(given) ** 2
        scale = squared.mean() if width is None else width**2
        expected = torch.exp(-squared / scale).mean(1) if scale else torch.ones(1)
        found = functional.density(given, given, width)
        tolerance = 2e-6 if given.dtype == torch.float32 else 1e-9
        torch.testing.assert_close(
            found.double(), expected.double(), atol=tolerance, rtol=tolerance
        )
        assert found.max() <= 1


@pytest.mark.parametrize("k", [1, 2, 7, 60])
def test_neighbors(given, budget, k):
    k = min(k, len(given))
    distance, position = functional.nearest_neighbors(given, given, k)
    every = plain(given)
    expected = every.topk(k, largest=False).values
    torch.testing.assert_close(distance.double(), expected, atol=0, rtol=1e-3)
    found = every.gather(1, position)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-3)
    assert all(len(set(row)) == k for row in position.tolist())
    if k == len(given):
        assert position.sort().values.eq(torch.arange(k)).all()


def test_more_neighbors_than_rows_are_refused():
    with pytest.raises(ValueError, match="n_neighbors=2 must lie in 1"):
        functional.nearest_neighbors(torch.zeros(3, 2), torch.zeros(1, 2), 2)


@pytest.mark.slow
def test_equal_distances_keep_the_order_of_the_rows(budget):
    copies = normal(5, 3).repeat(12, 1)
    _, position = functional.nearest_neighbors(copies, copies, 12)
    assert position.eq(torch.arange(60)[:, None] % 5 + 5 * torch.arange(12)).all()


def test_purity_and_the_closest_pair(given, budget):
    labels = torch.arange(len(given)) % 2
    every = plain(given)
    other = every.masked_fill(labels[:, None] == labels, math.inf).amin(1)
    expected = float(other.sort().values[len(given) - math.ceil(0.9 * len(given))])
    assert functional.purity_radius(given, labels, 0.9) == pytest.approx(expected, 1e-3)
    expected = float(every[every > 0].min()) if (every > 0).any() else 1.0
    assert closest_pair(given) == pytest.approx(expected, 1e-3)


def test_picks_of_coverage_are_those_of_all_similarities(given, budget):
    every, n_picks = plain(given), min(4, len(given))
    width = float(every.median()) or 1.0
    for kernel, similarity, size in (
        (functional.max_herding, (-((every / width) ** 2)).exp(), "bandwidth"),
        (functional.prob_cover, (every < width).double(), "radius"),
    ):
        if size == "radius" and given.dtype == torch.float32:
            continue  # rows at the radius itself are a matter of round-off
        picks, gains = kernel(
            given, given, given[:0], n_picks, with_utilities=False, **{size: width}
        )
        best, covered = [], torch.zeros(len(given)).double()
        for pick in picks.tolist():
            gain = (similarity - covered[:, None]).clamp_min(0).sum(0)
            assert gain[pick] >= 0.999 * gain.max() - 1e-6
            best.append(float(gain.max()))
            covered = covered.maximum(similarity[:, pick])
        share = len(given) if kernel is functional.max_herding else 1
        torch.testing.assert_close(
            gains.double() * share, torch.tensor(best).double(), atol=2e-5, rtol=1e-3
        )


@pytest.mark.slow
def test_representation_and_competence(budget):
    rows = normal(60, 4)
    picks, utilities = functional.suggestive_annotation(rows, rows, 5)
    directions = functional.unit_rows(rows)
    cosine, covered = directions @ directions.T, torch.zeros(60).double()
    for step, pick in enumerate(picks.tolist()):
        gain = (cosine - covered[:, None]).clamp_min(0).sum(0)
        gain[picks[:step]] = 0
        torch.testing.assert_close(utilities[step], gain)
        assert pick == gain.argmax()
        covered = covered.maximum(cosine[:, pick])
