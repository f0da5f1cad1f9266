"""Noise of rows."""

import numpy as np
import pytest

from skal_deep.shards._noise import gumbel, uniform


@pytest.mark.parametrize("start", [0, 1, 3, 4, 5, 997, 10**12 + 3])
def test_a_row_has_its_noise_wherever_a_part_begins(start):
    long = uniform(7, 2, start - start % 4, 40)
    np.testing.assert_array_equal(uniform(7, 2, start, 9), long[start % 4 :][:9])


def test_streams_and_seeds_are_independent_and_uniform():
    noise = np.stack([uniform(s, t, 0, 20_000) for s in (0, 1) for t in (0, 1, 2)])
    assert noise.min() > 0
    assert noise.max() < 1
    np.testing.assert_allclose(noise.mean(1), 0.5, atol=0.01)
    np.testing.assert_allclose(np.corrcoef(noise), np.eye(6), atol=0.03)


def test_gumbel_noise_has_its_mean_and_spread():
    noise = gumbel(3, 0, 5, 200_000)
    assert noise.mean() == pytest.approx(np.euler_gamma, abs=0.01)
    assert noise.var() == pytest.approx(np.pi**2 / 6, abs=0.03)
