"""Probabilistic backpropagation against golden values and the exact solution."""

import numpy as np
import pytest
import torch

from skal_deep.functional.probabilistic_backpropagation import (
    Gamma,
    Layer,
    ProbabilisticNet,
    _updated,
    predictive_moments,
    relu_moments,
)


@pytest.mark.parametrize(
    ("mean", "variance", "expected"),
    [
        (0, 1, (0.39894228, 0.340845057)),
        (1, 0.5, (1.025127271, 0.434916548)),
        (-1, 2, (0.199641228, 0.240002274)),
        (3, 0.1, (3.0, 0.1)),
    ],
)
def test_golden_moments_of_relu(mean, variance, expected):
    found = relu_moments(*torch.tensor([[mean], [variance]], dtype=torch.float64))
    np.testing.assert_allclose(torch.cat(found), expected, rtol=1e-7)


@pytest.mark.parametrize(
    ("y", "mean", "variance", "expected"),
    [
        (0.0, 0.3, 2.0, (0.1125, 0.75, 6.339817252, 6.144259202)),
        (3.0, 1.0, 0.5, (1.588235294, 0.352941176, 5.837373844, 6.414507263)),
    ],
)
def test_golden_update(y, mean, variance, expected):
    """Of one weight of the input 1, and of the noise."""
    noise, error = Gamma(), y - mean
    total = variance + noise.variance
    layer = Layer(*torch.tensor([[[mean]], [[variance]]], dtype=torch.float64))
    by_mean = torch.tensor([[error / total]])
    by_variance = torch.tensor([[(error**2 / total - 1) / total / 2]])
    new = _updated(layer, by_mean, by_variance)
    gamma = noise.given(noise.log_evidences(error, variance))
    found = (float(new.mean_HD), float(new.variance_HD), gamma.shape, gamma.rate)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_known_noise_and_one_weight_are_the_exact_posterior():
    """A Kalman filter: m0 = .3, v0 = 2, x = 1.5, y = 1, noise .25."""
    total = 1.5**2 * 2 + 0.25
    error = 1 - 0.3 * 1.5
    layer = Layer(*torch.tensor([[[0.3]], [[2.0]]], dtype=torch.float64))
    by_mean = torch.tensor([[1.5 * error / total]])
    by_variance = torch.tensor([[1.5**2 * (error**2 / total - 1) / total / 2]])
    new = _updated(layer, by_mean, by_variance)
    found = float(new.mean_HD), float(new.variance_HD)
    np.testing.assert_allclose(found, (0.647368421, 0.105263158), rtol=1e-6)


def test_copies_of_a_row_make_it_surer():
    rows, y = torch.ones(1, 2).double(), torch.zeros(1).double()
    spreads = []
    for n_copies in (1, 5, 20):
        net = ProbabilisticNet([2, 10, 1], torch.Generator().manual_seed(0))
        net.learn(rows.repeat(n_copies, 1), y.repeat(n_copies), 3)
        spreads.append(float(predictive_moments(net.layers, rows)[1]))
    assert spreads[0] > spreads[1] > spreads[2]


def test_no_number_is_refused():
    net = ProbabilisticNet([1, 3, 1], torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="NaN"):
        net.learn(torch.tensor([[np.nan]]).double(), torch.zeros(1).double(), 1)
