"""Scores of new and uncertain rows: golden cases, borders, oracles."""

from pathlib import Path

import numpy as np
import pytest
import torch

from skal_deep.functional import (
    entropy,
    novelty_and_entropy,
    uncertain_among_new,
    uncertainty_indicator,
    wasserstein_score,
)
from skal_deep.functional.variational import gradient_penalty

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "selectors.npz")
PROBA = torch.as_tensor(GOLDEN["P"])


def test_the_indicator_of_the_golden_case():
    torch.testing.assert_close(
        uncertainty_indicator(PROBA), torch.as_tensor(GOLDEN["sraal_oui"])
    )


@pytest.mark.parametrize(
    ("proba", "indicator"),
    [
        ([1.0, 0, 0, 0], 0),
        ([0.25, 0.25, 0.25, 0.25], 0.75),
        ([0.5, 0.5, 0, 0], 0.8333333),
        ([0.4, 0.3, 0.2, 0.1], 0.76),
        ([0.7, 0.1, 0.1, 0.1], 0.3),
        ([1.0], 0),
    ],
)
def test_indicators_known_by_hand(proba, indicator):
    score = uncertainty_indicator(torch.tensor([proba]))
    torch.testing.assert_close(score, torch.tensor([float(indicator)]))


def test_the_indicator_is_between_0_and_1():
    proba = torch.as_tensor(np.random.default_rng(0).dirichlet(np.full(5, 0.3), 2_000))
    score = uncertainty_indicator(proba)
    assert score.min() >= 0
    assert score.max() < 1


def test_novelty_and_entropy_alone():
    proba = PROBA[:20].float()
    constant, flat = torch.zeros(20), torch.full((20, 4), 0.25)
    order = entropy(proba).argsort()
    novelty = torch.linspace(-3, 3, 20)
    for rule in ("product", "odds"):
        score = novelty_and_entropy(constant, proba, rule)
        assert torch.equal(score.argsort(), order)
        score = novelty_and_entropy(novelty, flat, rule)
        assert torch.equal(score.argsort(), torch.arange(20))
    even = torch.tensor([[0.5, 0.5]])
    sure = novelty_and_entropy(torch.tensor([99.0]), even, "product")
    assert sure.item() == pytest.approx(1)
    with pytest.raises(ValueError, match="rule must be"):
        novelty_and_entropy(constant, proba, "sum")


def test_odds_are_the_published_formula():
    d = torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64)  # probability of "labelled"
    proba = PROBA[:3]
    expected = (1 - d) / d * entropy(proba) / np.log(4)
    score = novelty_and_entropy(((1 - d) / d).log(), proba, "odds")
    torch.testing.assert_close(score, expected)


def test_uncertain_rows_come_first_among_new_ones_only():
    novelty = torch.tensor([2.0, 0.1, -0.1, -3.0])
    proba = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]])
    assert uncertain_among_new(novelty, proba).argsort(descending=True).tolist() == [
        1,
        0,
        2,
        3,
    ]


def test_the_wasserstein_score_of_the_golden_case():
    left = GOLDEN["unlabeled"]
    score = wasserstein_score(PROBA[left], torch.as_tensor(GOLDEN["waal_critic"]))
    np.testing.assert_allclose(-score, GOLDEN["waal_score"], rtol=1e-6)
    assert left[score.topk(5).indices].tolist() == GOLDEN["waal_idx"].tolist()


def test_equal_probabilities_are_most_uncertain():
    flat, none = torch.full((1, 4), 0.25), torch.zeros(1)
    best = wasserstein_score(flat, none)
    assert (wasserstein_score(PROBA, torch.zeros(60)) < best).all()
    norm = 2 * np.log(4)
    assert best.item() == pytest.approx(-(norm + 4 * np.log(4)) / 2)
    assert wasserstein_score(torch.tensor([[1.0, 0.0]]), none).isfinite().all()


def test_the_penalty_of_a_linear_critic():
    weights, points = (
        torch.tensor([3.0, 4.0]),
        torch.randn(7, 2, generator=torch.Generator().manual_seed(0)),
    )
    penalty = gradient_penalty(lambda x: x @ weights + 1, points)
    assert penalty.item() == pytest.approx(16)
    unit = (weights / 5).requires_grad_()
    gradient_penalty(lambda x: x @ unit * 2, points).backward()
    torch.testing.assert_close(unit.grad, 4 * unit.detach())  # it is to be minimised
