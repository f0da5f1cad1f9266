"""Kernels of one row after another are those of one thread, by any number of them."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from skal_deep.functional import (
    badge,
    disagreements,
    flipping_mix,
    max_det,
    nearest_distinct,
    squared_distances,
    unit_rows,
)
from skal_deep.functional._checks import check_finite
from skal_deep.functional._distances import Points


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_parts(monkeypatch):
    """Return who makes parts of few rows from then on."""

    def cut():
        monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 4000)
        monkeypatch.setattr("skal_deep.functional._checks._MANY", 100)
        monkeypatch.setattr("skal_deep.functional.determinant._FEW_NUMBERS", 0)

    return cut


def rows_of(dtype):
    """Return rows of clusters, copies of some, some far away, and one of zeros."""
    source = torch.Generator().manual_seed(0)
    rows = torch.randn(1500, 9, generator=source)
    rows += 4 * torch.randn(12, 9, generator=source).repeat(125, 1)
    return torch.cat([rows, rows[:30], 100 + rows[:300], 0 * rows[:1]]).to(dtype)


def head(dtype):
    source = torch.Generator().manual_seed(1)
    return (
        torch.randn(5, 9, generator=source).to(dtype),
        torch.randn(5, generator=source).to(dtype),
    )


def probabilities(rows):
    weight, bias = head(rows.dtype)
    return (rows @ weight.T / 9 + bias).softmax(-1)


def by_badge(rows, with_utilities):
    return badge(
        probabilities(rows),
        rows,
        20,
        generator=torch.Generator().manual_seed(0),
        with_utilities=with_utilities,
    )


def masks(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.7


KERNELS = {
    "badge": lambda rows: by_badge(rows, True),
    "badge, picks alone": lambda rows: by_badge(rows, False),
    "max_det": lambda rows: max_det(rows[50:], rows[:50], 20, noise=0.1),
    "max_det, picks alone": lambda rows: max_det(
        rows, rows[:0], 20, noise=0.1, with_utilities=False
    ),
    "flipping_mix": lambda rows: [flipping_mix(rows, rows[:7], *head(rows.dtype))],
    "disagreements of masks of all": lambda rows: [
        disagreements(rows, *head(rows.dtype), masks(6, 1, 9), 0.3)
    ],
    "disagreements of masks of each": lambda rows: [
        disagreements(rows, *head(rows.dtype), masks(6, len(rows), 9), 0.3)
    ],
    "nearest_distinct": lambda rows: nearest_distinct(
        rows, rows[::100], 25, handicaps=rows[:, 0].abs(), with_utilities=False
    ),
    "unit_rows": lambda rows: [unit_rows(rows)],
    "squared_distances": lambda rows: [squared_distances(rows, rows[:9])],
    "moved rows": lambda rows: [Points(rows, rows[3]).moved_ND],
    "lengths": lambda rows: [Points(rows.repeat(10, 1), rows[3]).norm_N],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", KERNELS)
def test_results_are_those_of_one_thread_to_the_last_bit(
    name, dtype, small_parts, monkeypatch
):
    rows, started = rows_of(dtype), []

    def submit(self, *given, **named):
        started.append(given)
        return submit_really(self, *given, **named)

    torch.set_num_threads(1)
    whole = KERNELS[name](rows)
    small_parts()
    one = KERNELS[name](rows)
    submit_really = ThreadPoolExecutor.submit
    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    for n_threads in (2, 3, 5):
        started.clear()
        torch.set_num_threads(n_threads)
        several = KERNELS[name](rows)
        assert torch.get_num_threads() == n_threads
        assert len(started) > 1
        assert all(map(torch.equal, one, several))
    for part, unparted in zip(one, whole, strict=True):
        torch.testing.assert_close(part, unparted, equal_nan=True)


@pytest.mark.parametrize("place", [0, 700, 1830])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_what_is_no_number_is_found_in_any_part(place, value, n_threads, small_parts):
    small_parts()
    torch.set_num_threads(n_threads)
    rows = rows_of(torch.float32)
    assert check_finite(rows=rows)["rows"] == rows.abs().max()
    rows[place, 4] = value
    with pytest.raises(ValueError, match="rows holds NaN or infinite"):
        check_finite(rows=rows)


def test_whole_numbers_are_scaled_to_one_length():
    rows = torch.tensor([[3, 4], [0, 0], [-6, 8]])
    assert torch.equal(unit_rows(rows), unit_rows(rows.float()))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_gradients_go_through_rows_of_one_length(n_threads, small_parts):
    small_parts()
    torch.set_num_threads(n_threads)
    rows = rows_of(torch.float64)[:40].requires_grad_()
    assert torch.autograd.gradcheck(unit_rows, rows)
