"""Point-wise scores: goldens, closed forms, invariances."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skal_deep.functional import (
    bald,
    consensus_kl,
    entropy,
    least_confidence,
    margin,
    mean_std,
    predictive_entropy,
    variation_ratio,
    vote_entropy,
)
from skal_deep.functional.information import _by_chunks, plogp
from skal_deep.functional.uncertainty import vote_shares

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "scores.npz")
SCORES = {
    "predictive_entropy": predictive_entropy,
    "bald": bald,
    "variation_ratio_proba": variation_ratio,
    "variation_ratio_votes": lambda samples: variation_ratio(samples, "votes"),
    "mean_std": mean_std,
    "margin": margin,
    "least_confidence": least_confidence,
    "vote_entropy": vote_entropy,
    "kl_to_consensus": consensus_kl,
    "max_disagreement": lambda samples: consensus_kl(samples, "max"),
}
BY_VOTES = {"variation_ratio_votes", "vote_entropy"}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-6)]
)
def test_golden(name, dtype, tolerance):
    for samples, values in (("A_P", f"A_{name}"), ("A_P_edge", f"A_edge_{name}")):
        scores = SCORES[name](torch.as_tensor(GOLDEN[samples]).to(dtype))
        assert scores.dtype == dtype
        np.testing.assert_allclose(scores, GOLDEN[values], atol=tolerance)


def test_expected_entropy_is_the_mean_of_entropies():
    samples = torch.as_tensor(GOLDEN["A_P"])
    np.testing.assert_allclose(
        entropy(samples).mean(0), GOLDEN["A_expected_entropy"], atol=1e-12
    )


def test_votes():
    np.testing.assert_allclose(
        vote_shares(torch.as_tensor(GOLDEN["A_P"])), GOLDEN["A_vote_distribution"]
    )


def test_bald_of_a_column_by_hand():
    # two draws, each certain, of different classes: ln 2; two that agree: 0
    samples = torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
    torch.testing.assert_close(bald(samples), torch.tensor([math.log(2), 0.0]))


@st.composite
def draws(draw):
    shape = tuple(draw(st.integers(1, n)) for n in (6, 7, 5))
    weights = draw(arrays(np.float64, shape, elements=st.floats(0, 1)))
    weights[..., 0] += 1e-3 * (weights.sum(-1) == 0)
    return torch.as_tensor(weights / weights.sum(-1, keepdims=True))


@pytest.mark.slow
@given(draws())
def test_bounds(samples):
    n_draws, _, n_classes = samples.shape
    upper = {
        "predictive_entropy": math.log(n_classes),
        "bald": math.log(min(n_draws, n_classes)),
        "variation_ratio_proba": 1 - 1 / n_classes,
        "variation_ratio_votes": 1 - 1 / min(n_draws, n_classes),
        "mean_std": 0.5,
        "margin": 1.0,
        "least_confidence": 1 - 1 / n_classes,
        "vote_entropy": math.log(min(n_draws, n_classes)),
        "kl_to_consensus": math.log(min(n_draws, n_classes)),
        "max_disagreement": math.log(n_draws),
    }
    for name, score in SCORES.items():
        values = score(samples)
        assert torch.isfinite(values).all()
        assert values.min() >= -1e-12
        assert values.max() <= upper[name] + 1e-9


@pytest.mark.slow
@given(draws(), st.randoms(use_true_random=False))
def test_order_of_draws_rows_and_classes_does_not_matter(samples, random):
    s, n, c = (random.sample(range(k), k) for k in samples.shape)
    for name, score in SCORES.items():
        permuted = samples[s][:, n]
        if name not in BY_VOTES:  # ties go to the first class
            permuted = permuted[..., c]
        torch.testing.assert_close(score(samples)[n], score(permuted))


@pytest.mark.slow
@given(draws())
def test_bald_is_the_mean_divergence_from_the_consensus(samples):
    mean = samples.mean(0)
    ratio = torch.where(samples > 0, samples / mean, 1.0)
    divergence = torch.special.xlogy(samples, ratio).sum(-1)
    torch.testing.assert_close(bald(samples), divergence.mean(0), atol=1e-9, rtol=0)
    largest = divergence.amax(0)
    torch.testing.assert_close(consensus_kl(samples, "max"), largest, atol=1e-9, rtol=0)
    torch.testing.assert_close(
        bald(samples), bald(torch.cat([samples, samples])), atol=1e-9, rtol=0
    )


def test_inputs_are_not_changed():
    samples = torch.as_tensor(GOLDEN["A_P_edge"])
    before = samples.clone()
    for score in SCORES.values():
        score(samples)
    assert torch.equal(samples, before)


def test_kind_is_checked():
    with pytest.raises(ValueError, match="'proba' or 'votes'"):
        variation_ratio(torch.ones(1, 1, 1), "mean")
    with pytest.raises(ValueError, match="'mean' or 'max'"):
        consensus_kl(torch.ones(1, 1, 1), "votes")


def test_committees_by_hand():
    # as many members as classes, each with a vote of its own: log K; two opposites
    each = torch.eye(4)[:, None]
    torch.testing.assert_close(vote_entropy(each), torch.tensor([math.log(4)]))
    both = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    for score in (vote_entropy, consensus_kl, SCORES["max_disagreement"]):
        torch.testing.assert_close(score(both), torch.tensor([math.log(2)]))
        assert score(both[[0, 0, 0]]).item() == 0


@given(arrays(np.float64, 20, elements=st.floats(0, 1)))
def test_plogp_is_exact_at_zero_and_changes_only_its_output(values):
    proba = torch.as_tensor(values)
    before = proba.clone()
    result = plogp(proba, torch.empty_like(proba))
    torch.testing.assert_close(-result, torch.special.entr(proba))
    assert torch.equal(proba, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("n_threads", [1, 4])
def test_plogp_is_the_same_by_numpy_and_by_torch(monkeypatch, dtype, n_threads):
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    wide = torch.rand(7, 40, generator=torch.Generator().manual_seed(0)).to(dtype)
    proba = wide[:, 3:20]  # rows that do not follow one another
    scratch = torch.zeros_like(wide)
    result = plogp(proba, scratch[:, 3:20])
    torch.testing.assert_close(-result, torch.special.entr(proba))
    assert not scratch[:, :3].any()
    assert not scratch[:, 20:].any()


@pytest.mark.parametrize("chunk", [1, 50, 2**20])
def test_divergences_as_a_card_computes_them(chunk, monkeypatch):
    """In fewer ways to memory and back, for positive numbers alone."""
    monkeypatch.setattr(
        "skal_deep.functional.information.chunk_elements", lambda device: chunk
    )
    samples = torch.as_tensor(GOLDEN["A_P_edge"]).double()
    weight = torch.linspace(1, 2, len(samples)).double()
    weight /= weight.sum()
    found = [_by_chunks(weight, samples, is_quick) for is_quick in (False, True)]
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-12)
    samples[0, 0, 0] = -1e-9
    assert _by_chunks(weight, samples, False).isfinite().all()
    assert not _by_chunks(weight, samples, True).isfinite().all(), "it must show"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_mean_below_0_by_round_off_costs_no_information(dtype):
    samples = torch.tensor([[[0.9, 0.1, 0.0]], [[0.1, 0.9, 0.0]]], dtype=dtype)
    below = samples - torch.tensor([0, 0, 1e-9], dtype=dtype)
    torch.testing.assert_close(bald(below), bald(samples), rtol=0, atol=1e-6)
