"""Standardised inputs."""

import numpy as np
import pytest
import torch

from skal_deep.modules import Standardizer

RNG = np.random.default_rng(0)


def test_vectors_feature_by_feature_over_all_pools():
    X = RNG.normal(size=(3000, 3)) * [1, 100, 0.01] + [0, -5, 1e3]
    scaled = Standardizer(X[:10], X[10:])(X)
    assert scaled.dtype == torch.float32
    torch.testing.assert_close(scaled.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled.std(0, correction=0), torch.ones(3))


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
def test_images_as_a_whole(dtype):
    X = RNG.integers(0, 256, size=(50, 1, 9, 9)).astype(dtype)
    scaled = Standardizer(X[:10], X[10:])(X)
    expected = (X - X.mean(dtype=float)) / X.std(dtype=float)
    np.testing.assert_allclose(scaled, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_feature_is_not_divided_by_round_off(dtype):
    X = RNG.normal(size=(1797, 2)).astype(dtype)
    X[:, 1] = 0.1  # the mean of 1797 of these is not 0.1
    scale = Standardizer(X)
    np.testing.assert_allclose(scale(X)[:, 1], 0, atol=1e-6)
    unseen = np.array([[0.0, 0.3]], dtype)
    np.testing.assert_allclose(scale(unseen)[0, 1], 0.2, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(50, 7), (50, 2, 3, 3), (1, 9)])
def test_rows_in_parts_are_scaled_to_the_same_bits(shape, dtype, monkeypatch):
    rows = (200 * np.random.default_rng(0).random(shape)).astype(dtype)
    scale = Standardizer(rows)
    whole = (rows.astype(np.float64) - scale.mean) / scale.std
    for n_numbers in (1, 40, 2**16):
        monkeypatch.setattr(
            "skal_deep.modules._standardizer._CACHED_NUMBERS", n_numbers
        )
        assert np.array_equal(scale(rows).numpy(), whole.astype(np.float32))
    assert scale(rows[:0]).shape == (0, *shape[1:])
