"""Rules that turn scores into batches."""

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import power_sample, softmax_sample, softrank_sample, top_k

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "sampling.npz")
SCORES = torch.as_tensor(GOLDEN["C_scores"])
SAMPLERS = {
    "power": power_sample,
    "softmax": softmax_sample,
    "softrank": softrank_sample,
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", SAMPLERS)
def test_golden_probabilities_of_the_first_pick(name):
    _, utilities = SAMPLERS[name](SCORES, 2, coldness=4.0, generator=generator())
    np.testing.assert_allclose(
        utilities[0], GOLDEN[f"C_first_pick_{name}_b4"], atol=1e-9
    )


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("coldness", [1, 4])
def test_golden_picks_for_given_noise(monkeypatch, name, coldness):
    uniform = torch.as_tensor(np.exp(-np.exp(-GOLDEN["C_gumbel"])))
    monkeypatch.setattr(torch, "rand", lambda *_, **__: uniform)
    picks, _ = SAMPLERS[name](SCORES, 3, coldness=float(coldness))
    assert picks.tolist() == GOLDEN[f"C_{name}_beta{coldness}_top3"].tolist()


@pytest.mark.slow
def test_golden_inclusion_probabilities():
    counts = np.zeros(5)
    n_trials, source = 20_000, generator()
    for _ in range(n_trials):
        counts[power_sample(SCORES, 2, coldness=1.0, generator=source)[0]] += 1
    expected = GOLDEN["C_inclusion_power_beta1_b2"]
    error = np.sqrt(expected * (1 - expected) / n_trials)
    assert (np.abs(counts / n_trials - expected) <= 4 * error + 1e-12).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_law_of_ordered_batches(name):
    """Batches follow the product of the probabilities that utilities report."""
    n_trials, counts = 6_000, dict.fromkeys(permutations(range(4), 2), 0)
    probability = dict.fromkeys(counts, 0.0)
    scores, source = torch.tensor([0.1, 0.5, 0.2, 0.9]).double(), generator()
    for _ in range(n_trials):
        picks, utilities = SAMPLERS[name](scores, 2, coldness=1.5, generator=source)
        batch = tuple(picks.tolist())
        counts[batch] += 1
        probability[batch] = float(utilities[0, batch[0]] * utilities[1, batch[1]])
    assert abs(sum(probability.values()) - 1) < 1e-9
    chi2 = sum(
        (counts[b] - n_trials * p) ** 2 / (n_trials * p) for b, p in probability.items()
    )
    assert chi2 < 31.3  # the 99.9 % quantile for 11 degrees of freedom


@pytest.mark.parametrize("name", SAMPLERS)
@given(
    scores=st.lists(st.floats(0, 5), min_size=1, max_size=8),
    coldness=st.sampled_from([0.0, 0.5, 1.0, 8.0]),
    seed=st.integers(0, 9),
)
def test_rows_are_distributions_over_what_is_left(name, scores, coldness, seed):
    n = len(scores)
    picks, utilities = SAMPLERS[name](
        torch.tensor(scores), n, coldness=coldness, generator=generator(seed)
    )
    assert sorted(picks.tolist()) == list(range(n))
    for step, row in enumerate(utilities):
        assert (row[picks[:step]] == 0).all()
        assert abs(float(row.sum()) - 1) < 1e-5
        assert row[picks[step]] > 0


@pytest.mark.slow
def test_zeros_are_drawn_last_and_uniformly():
    scores, first = torch.tensor([0.0, 0.0, 1.0, 0.0]), []
    for seed in range(300):
        picks, utilities = power_sample(
            scores, 4, coldness=1.0, generator=generator(seed)
        )
        assert picks[0] == 2
        torch.testing.assert_close(utilities[1, [0, 1, 3]], torch.full((3,), 1 / 3))
        first.append(int(picks[1]))
    assert min(first.count(k) for k in (0, 1, 3)) > 60


def test_invariances():
    scores = torch.rand(6, generator=generator()).double()

    def first(sample, values):
        return sample(values, 1, coldness=2.0, generator=generator())[1][0]

    torch.testing.assert_close(
        first(power_sample, scores), first(power_sample, 7 * scores)
    )
    torch.testing.assert_close(
        first(softmax_sample, scores), first(softmax_sample, scores - 3)
    )
    torch.testing.assert_close(
        first(softrank_sample, scores), first(softrank_sample, scores.exp())
    )


def test_coldness_runs_from_uniform_to_top_k():
    scores = torch.tensor([0.3, 0.0, 0.9, 0.5])
    for sample in SAMPLERS.values():
        _, uniform = sample(scores, 1, coldness=0.0, generator=generator())
        torch.testing.assert_close(uniform[0], torch.full((4,), 0.25))
        picks, _ = sample(scores, 3, coldness=5_000.0, generator=generator())
        assert picks.tolist() == [2, 3, 0]


def test_top_k_takes_the_lowest_position_among_ties():
    assert top_k(torch.tensor([1.0, 3.0, 3.0, 2.0]), 3)[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("sample", [top_k, *SAMPLERS.values()])
def test_bad_input(sample):
    with pytest.raises(ValueError, match="scores holds NaN"):
        sample(torch.tensor([1.0, math.nan]), 1)
    for batch_size in (0, 3):
        with pytest.raises(ValueError, match="batch_size"):
            sample(torch.ones(2), batch_size)


@pytest.mark.parametrize("sample", SAMPLERS.values())
def test_no_generator_means_a_fresh_one(sample):
    state = torch.get_rng_state()
    picks = {tuple(sample(torch.ones(30), 5)[0].tolist()) for _ in range(5)}
    assert len(picks) > 1
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.nightly
@pytest.mark.parametrize("name", SAMPLERS)
def test_mixture_with_uniform_draws(name):
    """Rows are the mixture given the picks before, and batches follow their law."""
    scores, epsilon = torch.tensor([0.0, 0.5, 0.2, 0.9]).double(), 0.3
    n_trials, source = 4_000, generator()
    counts = dict.fromkeys(permutations(range(4), 2), 0)
    probability = dict.fromkeys(counts, 0.0)
    for _ in range(n_trials):
        picks, rows = SAMPLERS[name](
            scores, 2, coldness=2.0, generator=source, epsilon=epsilon
        )
        batch = tuple(picks.tolist())
        counts[batch] += 1
        probability[batch] = float(rows[0, batch[0]] * rows[1, batch[1]])
        np.testing.assert_allclose(rows.sum(1), 1)
        assert rows[1, batch[0]] == 0
        assert rows[0].min() >= epsilon / 4 - 1e-12
    pure = SAMPLERS[name](scores, 1, coldness=2.0, generator=source)[1][0]
    np.testing.assert_allclose(rows[0], (1 - epsilon) * pure + epsilon / 4)
    assert abs(sum(probability.values()) - 1) < 1e-9
    for batch, p in probability.items():
        assert abs(counts[batch] / n_trials - p) < 4 * math.sqrt(p * (1 - p) / n_trials)


def test_mixture_of_a_whole_pool_and_its_precision():
    picks, rows = power_sample(
        torch.zeros(5), 5, coldness=1.0, generator=generator(), epsilon=1.0
    )
    assert sorted(picks.tolist()) == list(range(5))
    assert rows.dtype == torch.float32
    np.testing.assert_allclose(
        rows[torch.arange(5), picks], [1 / 5, 1 / 4, 1 / 3, 1 / 2, 1], rtol=1e-6
    )


@pytest.mark.parametrize("sample", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("coldness", [math.inf, 1e308])
@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_the_coldest_takes_the_highest_scores(sample, coldness, epsilon):
    scores = torch.tensor([0.1, 0.0, 0.9, 0.9, 1.0, 0.3])
    if sample is softmax_sample:
        scores = 100 * scores - 50
    picks, utilities = sample(
        scores, 5, coldness=coldness, generator=generator(0), epsilon=epsilon
    )
    torch.testing.assert_close(utilities.sum(1), torch.ones(5))
    left = torch.ones(6)
    for step, pick in enumerate(picks.tolist()):
        expected = epsilon * left / left.sum()
        highest = (scores == scores[left > 0].max()) & (left > 0)
        expected = expected + (1 - epsilon) * highest / highest.sum()
        torch.testing.assert_close(utilities[step], expected, atol=1e-6, rtol=1e-5)
        left[pick] = 0
    if not epsilon:
        assert picks[0] == 4
        assert set(picks[1:3].tolist()) == {2, 3}
        assert picks[3:].tolist() == [5, 0]
        own = sample(
            scores, 5, coldness=coldness, generator=generator(0), with_utilities=False
        )
        torch.testing.assert_close(own[1], utilities[range(5), picks])
        firsts = {
            int(sample(scores, 3, coldness=coldness, generator=generator(s))[0][1])
            for s in range(20)
        }
        assert firsts == {2, 3}


@pytest.mark.parametrize("sample", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("coldness", [0.0, 1.0, 1e3, 1e17, 1e308])
def test_shares_of_picks_alone_are_those_of_all(sample, coldness):
    """Also where logarithms are so large that their sum adds no digit."""
    scores = torch.tensor([0.9, 0.0, 0.1, 0.9, 0.5, 0.0, 0.9, 1 - 2**-53]).double()
    for n in range(1, 9):
        picks, rows = sample(scores, n, coldness=coldness, generator=generator(n))
        same, own = sample(
            scores, n, coldness=coldness, generator=generator(n), with_utilities=False
        )
        assert torch.equal(picks, same)
        torch.testing.assert_close(own, rows[range(n), picks], rtol=1e-12, atol=0)


def test_equal_scores_have_equal_ranks():
    """They share what their ranks would have: 1 / 2 and 1 / 3 here."""
    scores = torch.tensor([0.2, 0.7, 0.7, 0.9]).double()
    _, utilities = softrank_sample(scores, 1, generator=generator())
    weight = torch.tensor([1 / 4, 5 / 12, 5 / 12, 1]).double()
    torch.testing.assert_close(utilities[0], weight / weight.sum())


@pytest.mark.parametrize("sample", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("coldness", [0.0, 1.0, 50.0, 1e308, math.inf])
@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_parts_of_a_population_have_the_shares_of_the_whole(sample, coldness, epsilon):
    scores = torch.tensor([0.9, 0.0, 0.1, 0.9, 0.5, 0.0]).double()
    params = {"coldness": coldness, "epsilon": epsilon, "generator": generator()}
    _, whole = sample(scores, 1, **params)
    for part in ([0], [1, 2], [5, 4, 3]):
        _, rows = sample(scores[part], len(part), population=scores, **params)
        torch.testing.assert_close(rows[0], whole[0, part])
    above = torch.tensor([1.0, 0.95]).double()
    _, rows = sample(above, 2, population=scores, **params)
    assert (rows[0] <= 1).all()
    assert (rows[0] >= whole[0].max() - 1e-12).all()
    zeros = torch.zeros(4).double()
    _, rows = sample(zeros[:1], 1, population=zeros, **params)
    torch.testing.assert_close(rows[0], torch.tensor([0.25]).double())


def test_bad_coldness_and_population():
    for sample in SAMPLERS.values():
        for coldness in (-1.0, math.nan):
            with pytest.raises(ValueError, match="coldness"):
                sample(torch.ones(2), 1, coldness=coldness)
        with pytest.raises(ValueError, match="population holds NaN"):
            sample(torch.ones(2), 1, population=torch.tensor([math.nan]))
