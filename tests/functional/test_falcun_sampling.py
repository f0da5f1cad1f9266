"""Falcun's distributions against golden values and limits."""

from pathlib import Path

import numpy as np
import pytest
import torch

from skal_deep.functional import falcun, falcun_sampling, margin
from skal_deep.functional.falcun_sampling import log_relevance

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "clustering.npz")
P, UNLABELED = torch.as_tensor(GOLDEN["P"]), GOLDEN["unlabeled"]


def test_golden(monkeypatch):
    """The authors' uniform numbers give the authors' picks and distributions."""
    uniform = iter(torch.as_tensor(GOLDEN["falcun_uniforms"]))

    def given_rand(*args, **kwargs):
        return next(uniform)

    monkeypatch.setattr(falcun_sampling.torch, "rand", given_rand)
    picks, utilities = falcun(P[UNLABELED], 6)
    assert UNLABELED[picks].tolist() == GOLDEN["falcun_idx"].tolist()
    np.testing.assert_allclose(utilities, GOLDEN["falcun_probs"], atol=1e-12)


def test_first_draw_is_by_uncertainty():
    u = margin(P[None])
    expected = ((u - u.min()) / (u.max() - u.min()) + u) ** 10
    _, utilities = falcun(P, 1)
    torch.testing.assert_close(utilities[0], expected / expected.sum())


@pytest.mark.parametrize("seed", range(3))
def test_exponent_zero_is_uniform_and_a_large_one_the_largest(seed):
    generator = torch.Generator().manual_seed(seed)
    picks, utilities = falcun(P, 5, gamma=0.0, generator=generator)
    for step in range(5):
        left = np.setdiff1d(np.arange(60), picks[:step])
        np.testing.assert_allclose(utilities[step, left], 1 / len(left))
    picks, utilities = falcun(P, 5, gamma=2_000.0, generator=generator)
    assert (utilities[range(5), picks] > 0.99).all()


@pytest.mark.slow
def test_law_of_the_draws():
    picks = [
        int(
            falcun(P[:6], 1, gamma=1.0, generator=torch.Generator().manual_seed(s))[0][
                0
            ]
        )
        for s in range(2_000)
    ]
    share = np.bincount(picks, minlength=6) / 2_000
    np.testing.assert_allclose(share, falcun(P[:6], 1, gamma=1.0)[1][0], atol=0.04)


def test_certain_or_equal_predictions_are_drawn_once_each():
    for proba in (torch.eye(3)[[0] * 5], torch.full((5, 3), 1 / 3), torch.ones(5, 1)):
        picks, utilities = falcun(proba, 5)
        assert sorted(picks.tolist()) == list(range(5))
        torch.testing.assert_close(utilities.sum(1), torch.ones(5))
    ones, one = torch.ones(2), torch.tensor(1.0)
    assert log_relevance(ones, ones, one, one, 2.0).tolist() == [0, 0]
    nothing = 0 * ones
    assert log_relevance(nothing, nothing, 0 * one, one, 0.0).tolist() == [0, 0]
