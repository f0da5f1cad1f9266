"""Badge against the gradient embedding written out."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import squared_gradient_norms
from torch.nn.functional import cross_entropy

from skal_deep.functional import badge, last_layer_features

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "embeddings.npz")
P, H = torch.as_tensor(GOLDEN["P"]), torch.as_tensor(GOLDEN["H"])
UNLABELED = GOLDEN["unlabeled"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def written_out(proba, embedding):
    error = proba.clone()
    error[range(len(error)), proba.argmax(-1)] -= 1
    return (error[:, :, None] * embedding[:, None, :]).flatten(1)


def test_golden_norms():
    np.testing.assert_allclose(
        squared_gradient_norms(P, H), GOLDEN["badge_sqnorm"], atol=1e-12
    )


def test_golden_distances_and_second_pick():
    gradients = written_out(P, H)
    np.testing.assert_allclose(
        torch.cdist(gradients, gradients).square(), GOLDEN["badge_sqdist"], atol=1e-9
    )
    picks, utilities = badge(P[UNLABELED], H[UNLABELED], 2, generator=generator())
    assert UNLABELED[picks[0]] == GOLDEN["badge_idx"][0]
    expected = GOLDEN["badge_second_probs"].copy()
    expected[picks[0]] = 0
    np.testing.assert_allclose(utilities[1], expected, atol=1e-9)


def test_gradients_of_certain_predictions_keep_their_digits():
    g = torch.Generator().manual_seed(0)
    logits = torch.tensor([9.0, 0, 0]).double() + torch.randn(50, 3, generator=g)
    exact, ones = logits.double().softmax(-1), torch.ones(50, 1)
    norms = squared_gradient_norms(exact.float(), ones).double()
    expected = squared_gradient_norms(exact, ones.double())
    torch.testing.assert_close(norms, expected, rtol=1e-6, atol=0)
    features = last_layer_features(exact.float(), ones, 6)
    lengths = features.double().square().sum(-1)
    torch.testing.assert_close(lengths, 2 * expected, rtol=1e-6, atol=0)


def test_golden_norms_with_a_bias():
    with_bias = torch.cat([H, torch.ones(60, 1).double()], dim=1)
    np.testing.assert_allclose(
        squared_gradient_norms(P, with_bias), GOLDEN["badge_sqnorm_bias"], atol=1e-12
    )


def test_golden_picks_for_given_uniforms(monkeypatch):
    monkeypatch.setattr("skal_deep.functional.gradients._DRAWS_AHEAD", 1)
    uniforms = iter(GOLDEN["badge_uniforms"])
    n_calls = iter(range(99))

    def rand(*_, **__):  # every other call decides on acceptance, always given here
        value = next(uniforms) if next(n_calls) % 2 == 0 else 0.0
        return torch.tensor([value], dtype=torch.float64)

    monkeypatch.setattr(torch, "rand", rand)
    picks, _ = badge(P[UNLABELED], H[UNLABELED], 8)
    assert UNLABELED[picks].tolist() == GOLDEN["badge_idx"].tolist()
    gradients = written_out(P[UNLABELED], H[UNLABELED])
    potential = [
        float(torch.cdist(gradients, gradients[picks[:t]]).square().amin(1).sum())
        for t in range(1, 8)
    ]
    np.testing.assert_allclose(potential, GOLDEN["badge_potential"], atol=1e-6)


def test_norms_are_those_of_the_gradient():
    weight = torch.as_tensor(GOLDEN["W"]).clone().requires_grad_()
    for h, norm in zip(H[:5], squared_gradient_norms(P, H)[:5], strict=True):
        logits = weight @ h
        loss = cross_entropy(logits[None], logits.argmax()[None])
        (gradient,) = torch.autograd.grad(loss, weight)
        torch.testing.assert_close(gradient.square().sum(), norm)


def test_the_most_probable_label_has_the_shortest_gradient():
    for label in range(4):
        error = P - torch.eye(4).double()[label]
        norm = error.square().sum(-1) * H.square().sum(-1)
        assert (squared_gradient_norms(P, H) <= norm + 1e-12).all()


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_the_kmeans_plus_plus_probabilities(seed):
    picks, utilities = badge(P, H, 6, generator=generator(seed))
    gradients = written_out(P, H)
    assert int(picks[0]) == int(gradients.norm(dim=1).argmax())
    for step in range(1, 6):
        distance = torch.cdist(gradients, gradients[picks[:step]]).square().amin(1)
        expected = distance / distance.sum()
        left = ~torch.isin(torch.arange(60), picks[:step])
        torch.testing.assert_close(
            utilities[step, left], expected[left], atol=1e-9, rtol=1e-6
        )
        assert (utilities[step, ~left] == 0).all()


@pytest.mark.slow
def test_law_of_the_second_pick():
    n_trials, source = 4_000, generator()
    counts = torch.zeros(54)
    for _ in range(n_trials):
        picks, utilities = badge(P[UNLABELED], H[UNLABELED], 2, generator=source)
        counts[picks[1]] += 1
    expected = utilities[1] * n_trials
    likely = expected >= 5
    chi2 = ((counts - expected)[likely].square() / expected[likely]).sum()
    assert float(chi2) < 2 * int(likely.sum())
    assert counts[picks[0]] == 0


@pytest.mark.nightly
@pytest.mark.parametrize("ahead", [1, 2, 64])
def test_law_of_ordered_picks_does_not_depend_on_the_block(monkeypatch, ahead):
    monkeypatch.setattr("skal_deep.functional.gradients._DRAWS_AHEAD", ahead)
    proba, embedding = P[:6], H[:6]
    gradients = written_out(proba, embedding)
    squared = torch.cdist(gradients, gradients).square()
    first = int(gradients.norm(dim=1).argmax())
    expected = {}
    for second in set(range(6)) - {first}:
        p_second = squared[first, second] / squared[first].sum()
        nearest = torch.minimum(squared[first], squared[second])
        for third in set(range(6)) - {first, second}:
            expected[second, third] = float(p_second * nearest[third] / nearest.sum())
    n_trials, source = 5_000, generator()
    counts = dict.fromkeys(expected, 0)
    for _ in range(n_trials):
        picks, _ = badge(proba, embedding, 3, generator=source, with_utilities=False)
        counts[tuple(picks[1:].tolist())] += 1
    assert sum(expected.values()) == pytest.approx(1)
    chi2 = sum(
        (counts[pair] - n_trials * p) ** 2 / (n_trials * p)
        for pair, p in expected.items()
    )
    assert chi2 < 43.8  # the 99.9 % quantile for 19 degrees of freedom


@pytest.mark.slow
@given(
    st.integers(0, 100),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_rows_sum_to_one_and_picks_are_distinct(seed, n, n_classes, n_dims, dtype):
    rng = np.random.default_rng(seed)
    proba = torch.as_tensor(rng.dirichlet(np.ones(n_classes), n)).to(dtype)
    embedding = torch.as_tensor(rng.standard_normal((n, n_dims))).to(dtype)
    embedding[n // 2 :] = embedding[n // 2].clone()  # copies
    proba[n // 2 :] = proba[n // 2].clone()
    picks, utilities = badge(proba, embedding, n, generator=generator(seed))
    assert sorted(picks.tolist()) == list(range(n))
    assert utilities.dtype == dtype
    torch.testing.assert_close(utilities.sum(-1), torch.ones(n, dtype=dtype))
    assert all(float(row[pick]) > 0 for row, pick in zip(utilities, picks, strict=True))


@pytest.mark.parametrize("least", [1e-10, 1e-22, 1e-36])
def test_almost_certain_predictions_keep_their_shares_in_float32(least):
    error = least * torch.tensor([5.0, 1, 2, 7, 3]).double()
    proba = torch.stack([1 - error, error], 1)
    embedding = torch.randn(5, 3, generator=generator()).double()
    exact = badge(proba, embedding, 4, generator=generator())
    single = badge(proba.float(), embedding.float(), 4, generator=generator())
    assert exact[0].tolist() == single[0].tolist()
    torch.testing.assert_close(single[1].double(), exact[1], rtol=1e-5, atol=0)
    beside = proba.float()[1:], embedding.float()[1:]
    part = badge(proba.float()[:3], embedding.float()[:3], 1, population=beside)
    expected = exact[1][0, :3] / (1 - exact[1][0, 0])
    torch.testing.assert_close(part[1][0].double(), expected, rtol=1e-5, atol=0)


def test_the_smallest_errors_there_are():
    error = torch.tensor([3.0, 1.0, 0.0]) * 2.0**-149
    proba = torch.stack([1 - error, error], 1)
    picks, utilities = badge(proba, torch.ones(3, 1), 3, generator=generator())
    assert picks.tolist() == [0, 2, 1]
    torch.testing.assert_close(utilities[0], torch.tensor([0.9, 0.1, 0.0]))


def test_shares_of_a_population_without_gradients_are_equal():
    certain = torch.tensor([[1.0, 0.0]])
    one, row = torch.ones(1, 2), torch.ones(4, 2)
    population = certain.expand(4, 2), row
    _, utilities = badge(certain, one, 1, population=population)
    assert float(utilities) == 0.25


def test_without_gradients_the_draw_is_uniform():
    picks, utilities = badge(
        torch.ones(4, 1), torch.ones(4, 2), 3, generator=generator()
    )
    assert len(set(picks.tolist())) == 3
    torch.testing.assert_close(utilities[0], torch.full((4,), 0.25))


def test_inputs_and_global_generator_are_untouched():
    before, state = (P.clone(), H.clone()), torch.get_rng_state()
    badge(P, H, 5)
    assert torch.equal(P, before[0])
    assert torch.equal(H, before[1])
    assert torch.equal(state, torch.get_rng_state())


def test_probabilities_and_embeddings_may_differ_in_precision():
    """As those of whole numbers do: scikit-learn answers in one, rows are the other."""
    source = torch.Generator().manual_seed(0)
    probas = torch.rand(300, 3, generator=source).softmax(-1)
    embeddings = torch.randint(0, 9, (300, 4), generator=source)
    picks = [
        badge(p, h, 20, generator=torch.Generator().manual_seed(0))[0].tolist()
        for p in (probas, probas.double())
        for h in (embeddings.float(), embeddings.double())
        if p.dtype == torch.float32 or h.dtype == torch.float64
    ]
    assert picks[1] == picks[2]
    assert len(set(picks[1])) == 20


def test_bad_input():
    with pytest.raises(ValueError, match="embeddings holds NaN"):
        badge(P, torch.full_like(H, math.nan), 1)
    with pytest.raises(ValueError, match="batch_size"):
        badge(P, H, 61)


@pytest.mark.parametrize("n_own", [1, 3, 40])
def test_the_cheap_form_knows_the_share_of_each_pick(n_own):
    """Where copies of picks alone are left, the draw is uniform."""
    generator = torch.Generator().manual_seed(0)
    own = torch.randint(0, n_own, (40,), generator=generator)
    probas = torch.randn(n_own, 3, generator=generator).softmax(-1)[own]
    rows = torch.randn(n_own, 4, generator=generator)[own]
    (picks, utilities), (others, few) = (
        badge(
            probas,
            rows,
            12,
            generator=torch.Generator().manual_seed(1),
            with_utilities=with_utilities,
        )
        for with_utilities in (True, False)
    )
    assert others.tolist() == picks.tolist()
    torch.testing.assert_close(few, utilities[range(12), picks])
