"""The compiled loop against the definition, and against torch."""

import importlib
import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from numba.core import caching, config

from skal_deep import functional
from skal_deep._compiled import compile_loop
from skal_deep.functional import _loops, bald
from skal_deep.functional.information import divergence


@pytest.mark.slow
@example(1.0)
@example(float(np.nextafter(np.float32(1), np.float32(0))))
@example(1e-30)
@example(float(np.float32(math.sqrt(0.5))))
@given(st.floats(float(np.float32(1e-30)), 1, width=32))
def test_p_log_p_is_right_to_the_last_bits(p):
    p = np.float32(p)
    exact = float(p) * math.log(p)
    assert abs(float(_loops._plogp(p)) - exact) <= 3e-7 * abs(exact)


def test_p_log_p_is_exact_at_zero():
    assert _loops._plogp(np.float32(0)) == 0


@pytest.mark.slow
@example(0.5)
@example(-0.5)
@example(-126.0)
@example(float(np.nextafter(np.float32(-0.5), np.float32(0))))
@given(st.floats(-126, 126, width=32))
def test_powers_of_two_are_right_to_the_last_bits(x):
    assert abs(float(_loops._exp2(np.float32(x))) * 2.0**-x - 1) <= 3e-7


def test_powers_of_two_are_exact_at_whole_numbers_and_end_at_zero():
    whole = np.arange(-126, 127, dtype=np.float32)
    found = np.array([_loops._exp2(x) for x in whole])
    assert (found == np.exp2(whole.astype(np.float64))).all()
    beyond = np.float32([-126.01, -1e4, -3e38, -np.inf])
    assert [float(_loops._exp2(x)) for x in beyond] == [0, 0, 0, 0]
    assert np.isnan(_loops._exp2(np.float32(np.nan)))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@example(0, (6, 3000, 11))  # more columns than are summed at once
@example(0, (5, 2, 33_000))  # also in one row
@given(
    st.integers(0, 100),
    st.sampled_from(
        [(1, 1, 1), (1, 5, 3), (3, 7, 2), (4, 1, 9), (9, 40, 10), (300, 8, 250)]
    ),
)
def test_divergence_is_that_of_the_definition(dtype, seed, shape):
    source = np.random.default_rng(seed)
    probas = torch.as_tensor(4 * source.standard_normal(shape)).softmax(-1)
    weight = torch.as_tensor(source.dirichlet(np.ones(shape[0])))
    mean = torch.einsum("r,rnc->nc", weight, probas)
    entropies = torch.special.entr(probas).sum(-1)
    expected = torch.special.entr(mean).sum(-1) - weight @ entropies
    found = divergence(weight.to(dtype), probas.to(dtype))
    assert found.dtype == dtype
    assert (found >= 0).all()
    atol = 1e-9 if dtype == torch.float64 else 1e-6
    torch.testing.assert_close(found.double(), expected, atol=atol, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_divergence_of_slices_and_of_nan(dtype):
    source = torch.Generator().manual_seed(0)
    whole = torch.rand(5, 12, 8, dtype=dtype, generator=source).softmax(-1)
    part = whole[:, 2:9]
    weight = torch.full((5,), 0.2, dtype=dtype)
    torch.testing.assert_close(
        divergence(weight, part), divergence(weight, whole)[2:9], atol=1e-6, rtol=0
    )
    whole[1, 3, 2] = math.nan
    assert divergence(weight, whole).isnan().nonzero().tolist() == [[3]]


@pytest.mark.parametrize("n", [*range(2, 40), 5001])
def test_equal_rows_get_equal_scores_wherever_they_stand(n):
    source = torch.Generator().manual_seed(n)
    row = torch.rand(3, 1, 11, generator=source).softmax(-1)
    assert len(bald(row.repeat(1, n, 1)).unique()) == 1


@pytest.mark.parametrize("n_rows", [100, 2_000, 40_000])
def test_round_off_does_not_grow_with_the_number_of_distributions(n_rows):
    source = np.random.default_rng(0)
    noise = 1e-3 * source.standard_normal((n_rows, 3, 10))
    probas = torch.as_tensor(noise, dtype=torch.float32).softmax(-1)
    found, exact = bald(probas), bald(probas.double())
    assert exact.min() > 4e-7  # which float32 tells from 0
    torch.testing.assert_close(found.double(), exact, atol=1.5e-7, rtol=0)


def columns_of(name, n_columns):
    """Return a few rows whose smallest values come in some order."""
    source, at = np.random.default_rng(0), np.arange(n_columns)
    row = {
        "random": source.standard_normal(n_columns),
        "ties": source.integers(5, size=n_columns),
        "equal": np.zeros(n_columns),
        "ascending": at,
        "descending": -at,
        "small ones in one lane": np.where(at % 64 == 5, -at, 1000 + at),
        "infinite": np.where(at % 50 == 7, at, np.inf),
    }[name]
    return np.stack([row, row[::-1], np.roll(row, n_columns // 3)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 2, 13, 40])
@pytest.mark.parametrize(
    "name",
    [
        "random",
        "ties",
        "equal",
        "ascending",
        "descending",
        "small ones in one lane",
        "infinite",
    ],
)
def test_the_smallest_are_those_of_a_stable_sort(name, k, dtype):
    for sizes in ([40], [2500], [3, 700, 1, 31, 500], [1500, 1000]):
        values = columns_of(name, sum(sizes)).astype(dtype)
        kept = np.empty((3, k), dtype)
        position = np.empty((3, k), np.int64)
        start = 0
        for size in sizes:
            _loops.keep_smallest(values[:, start : start + size], start, kept, position)
            start += size
        expected = values.argsort(1, kind="stable")[:, :k]
        assert (position == expected).all()
        assert (kept == np.take_along_axis(values, expected, 1)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 2, 13, 40])
@pytest.mark.parametrize("sizes", [[40], [2500], [3, 700, 1, 31, 500], [1500, 1000]])
def test_the_nearest_are_those_of_a_stable_sort(sizes, k, dtype):
    source = np.random.default_rng(0)  # of whole numbers, which leave no round-off
    products = source.integers(-9, 9, size=(5, sum(sizes))).astype(dtype)
    norms = [source.integers(20, size=n).astype(dtype) for n in products.shape]
    values = norms[1] - 2 * products + norms[0][:, None]
    kept, position = np.empty((5, k), dtype), np.empty((5, k), np.int64)
    start = 0
    for size in sizes:
        some = slice(start, start + size)
        given = products[:, some], norms[0], norms[1][some]
        _loops.keep_nearest(*given, start, kept, position)
        start += size
    expected = values.argsort(1, kind="stable")[:, :k]
    assert (position == expected).all()
    assert (kept == np.take_along_axis(values, expected, 1)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [[1], [5], [128], [129], [1000], [3, 200, 129]])
def test_the_least_is_the_first_of_equal_ones(sizes, dtype):
    source = np.random.default_rng(0)
    products = source.integers(-9, 9, size=(50, sum(sizes))).astype(dtype)
    norms = source.integers(20, size=sum(sizes)).astype(dtype)
    offset, nearest = np.full(50, np.inf, dtype), np.zeros(50, np.int64)
    start = 0
    for size in sizes:
        some = slice(start, start + size)
        _loops.nearest_of(products[:, some], norms[some], start, offset, nearest)
        start += size
    values = norms - 2 * products
    assert (nearest == values.argmin(1)).all()
    assert (offset == values.min(1)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(7000, 3), (300, 500), (9, 9000)])
def test_rows_that_wait_leave_the_largest_variance(shape, dtype):
    """Of almost copies of five rows, each of which is the farthest in turn."""
    rng = np.random.default_rng(0)
    length_N1 = 1 + 1e-7 * rng.standard_normal((shape[0], 1))
    some_GD = rng.standard_normal((5, shape[1]))
    some_GD /= np.linalg.norm(some_GD, axis=1, keepdims=True)
    rows = (length_N1 * some_GD[np.arange(shape[0]) % 5]).astype(dtype)
    toward = some_GD[np.arange(12) % 5].astype(dtype)
    scale = np.where(np.arange(12) < 11, 0.3, 100)  # nothing is left in the end
    found = []
    for are_all in (True, False):
        variance_N = (rows.astype(float) ** 2).sum(-1)
        seen_N, largest, at = np.zeros(len(rows), int), np.empty(13), np.empty(13, int)
        for k in range(13):
            given = rows, toward[:k], scale[:k], seen_N, variance_N, are_all
            _loops.explain_largest(*given, largest[k : k + 1], at[k : k + 1])
            if are_all:
                assert variance_N.argmax() == at[k]
                assert variance_N.max() == largest[k]
                assert (seen_N == k).all()
        found.append((largest.tolist(), at.tolist()))
    assert found[0] == found[1]
    assert largest[-1] >= 0
    assert len(set(at)) > 2


def test_powers_have_the_stated_error_between_whole_numbers():
    x = np.linspace(-3, 3, 20_001).astype(np.float32)
    found = np.array([_loops._exp2(each) for each in x], np.float64)
    assert np.abs(found / np.exp2(x.astype(np.float64)) - 1).max() <= 2.5e-7


@pytest.fixture
def not_imported(monkeypatch):
    """Make the loops those of a process that has not imported them."""
    monkeypatch.delitem(sys.modules, _loops.__name__)
    monkeypatch.delattr(functional, "_loops")


@pytest.mark.slow
def test_loops_are_compiled_where_no_folder_can_be_written(monkeypatch, not_imported):
    """As in a container of a user without a home."""
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    importlib.import_module(_loops.__name__)

    @compile_loop()
    def double(x_N):
        for i in range(len(x_N)):
            x_N[i] *= 2

    double(x := np.arange(3.0))
    assert x.tolist() == [0, 2, 4]


def test_without_compiled_loops_the_result_is_the_same(monkeypatch, not_imported):
    """As while debugging."""
    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    found = bald(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]))
    assert float(found) == pytest.approx(math.log(2))


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_bald_finds_one_draw_that_is_no_number(value, dtype, is_compiled, monkeypatch):
    """By the score of its row, which no finite draws beside it may make finite."""
    if not is_compiled:
        monkeypatch.setattr("skal_deep.functional.information.are_compiled", lambda: 0)
    generator = torch.Generator().manual_seed(0)
    for shape in ((1, 1, 1), (2, 5, 2), (20, 37, 10), (33, 70, 129)):
        samples = torch.randn(shape, generator=generator).softmax(-1).to(dtype)
        for at in torch.randint(samples.numel(), (9,), generator=generator).tolist():
            broken = samples.clone()
            broken.view(-1)[at] = value
            if at % 2:  # all draws of one class
                broken[:, at // shape[2] % shape[1], at % shape[2]] = value
            with pytest.raises(ValueError, match="samples holds NaN or infinite"):
                bald(broken)
