"""Moments of a trajectory of weights, and draws from them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from skal_deep.functional.swag import swag_moments, swag_weights

GOLDEN = {
    name: torch.as_tensor(value)
    for name, value in np.load(
        Path(__file__).parent.parent / "golden" / "posteriors.npz"
    ).items()
    if name.startswith("F_swag")
}


def golden_moments():
    return swag_moments(GOLDEN["F_swag_trajectory"], max_rank=3)


def test_golden_moments():
    mean, variance, deviations_PL = golden_moments()
    torch.testing.assert_close(mean, GOLDEN["F_swag_mean"])
    torch.testing.assert_close(variance, GOLDEN["F_swag_var"])
    torch.testing.assert_close(deviations_PL, GOLDEN["F_swag_D"])


def test_golden_draw():
    noise = GOLDEN["F_swag_z1"], GOLDEN["F_swag_z2"]
    torch.testing.assert_close(
        swag_weights(golden_moments(), *noise), GOLDEN["F_swag_sample"]
    )


@pytest.mark.slow
def test_covariance_of_draws():
    moments = golden_moments()
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack(
        [
            swag_weights(
                moments,
                torch.randn(5, generator=generator),
                torch.randn(3, generator=generator),
            )
            for _ in range(20_000)
        ]
    )
    low_rank = moments.deviations_PL @ moments.deviations_PL.T / 2
    expected = (torch.diag(moments.variance) + low_rank) / 2
    torch.testing.assert_close(draws.T.cov(), expected, atol=0.05, rtol=0)
    torch.testing.assert_close(draws.mean(0), moments.mean, atol=0.03, rtol=0)


def test_a_constant_trajectory_has_one_draw():
    moments = swag_moments([torch.full((4,), 0.1)] * 5, max_rank=10)
    draw = swag_weights(moments, torch.ones(4), torch.ones(5))
    torch.testing.assert_close(draw, torch.full((4,), 0.1).double())


def test_variances_survive_large_means_in_single_precision():
    steps = torch.tensor([0.0, 0.25, 0.5, 0.75])[:, None]
    moments = swag_moments((steps + 4096.0).float(), max_rank=2)
    torch.testing.assert_close(moments.variance, steps.double().var(0, correction=0))


def test_one_point_is_no_trajectory():
    with pytest.raises(ValueError, match="at least two points"):
        swag_moments([torch.zeros(3)], max_rank=2)
