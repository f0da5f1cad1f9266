"""BatchBALD against enumeration."""

import math
from itertools import combinations, product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from skal_deep.functional import bald, batch_bald, entropy
from skal_deep.functional._configurations import (
    Configurations,
    group_configurations,
    principal_directions,
)
from skal_deep.functional.joint_entropy import _ROUND_OFF, _Gains, n_informed_picks

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "batch_bald.npz")
P = torch.as_tensor(GOLDEN["B_P"])


def joint_information(samples, rows):
    """Enumerate all label configurations, as the definition says."""
    n_draws, _, n_classes = samples.shape
    total = 0.0
    for labels in product(range(n_classes), repeat=len(rows)):
        joint = torch.ones(n_draws, dtype=samples.dtype)
        for row, label in zip(rows, labels, strict=True):
            joint = joint * samples[:, row, label]
        total += float(torch.special.entr(joint.mean()))
    return total - float(entropy(samples)[:, list(rows)].mean(0).sum())


def random_draws(seed, n_draws=6, n=7, n_classes=3, scale=3.0):
    noise = np.random.default_rng(seed).standard_normal((n_draws, n, n_classes))
    return torch.as_tensor(scale * noise).softmax(-1)


def gains_of(samples, pi, weight):
    known = SimpleNamespace(is_exact=False, pi_M=pi, weight_MS=weight)
    return _Gains(samples).of_all(known)


def test_golden():
    picks, utilities = batch_bald(P, 4)
    assert picks.tolist() == GOLDEN["B_indices"].tolist()
    np.testing.assert_allclose(
        utilities[range(4), picks], GOLDEN["B_scores"], atol=1e-9
    )
    np.testing.assert_allclose(utilities, GOLDEN["B_score_matrix"], atol=1e-9)


def test_golden_float32():
    picks, utilities = batch_bald(P.float(), 4)
    assert picks.tolist() == GOLDEN["B_indices"].tolist()
    assert utilities.dtype == torch.float32
    np.testing.assert_allclose(
        utilities[range(4), picks], GOLDEN["B_scores"], atol=1e-5
    )


def test_golden_with_a_duplicate():
    picks, utilities = batch_bald(torch.as_tensor(GOLDEN["B_dup_P"]), 3)
    assert picks[1] == 3
    assert {int(picks[0]), int(picks[2])} == {0, 6}
    np.testing.assert_allclose(
        utilities[range(3), picks], GOLDEN["B_dup_scores"], atol=1e-9
    )


def test_golden_of_all_dropout_masks():
    picks, utilities = batch_bald(torch.as_tensor(GOLDEN["L_P_all_masks"]), 2)
    assert picks.tolist() == GOLDEN["L_batchbald_indices"].tolist()
    np.testing.assert_allclose(
        utilities[range(2), picks], GOLDEN["L_batchbald_scores"], atol=1e-9
    )


def test_golden_of_the_sampled_estimate():
    labels = torch.as_tensor(GOLDEN["B_mc_choices"])  # (picks, draws, samples)
    log_joint = torch.zeros(30, 6, dtype=torch.float64)
    for row, label_SE in zip(GOLDEN["B_mc_selected"], labels, strict=True):
        log_joint += P[:, row].log().T[label_SE.flatten()]
    pi = torch.full((30,), 1 / 30, dtype=torch.float64)
    gains = gains_of(P, pi, log_joint.softmax(-1))
    np.testing.assert_allclose(gains, GOLDEN["B_mc_gain_cv"], atol=1e-9)


@pytest.mark.slow
def test_golden_pairs_and_best_subsets():
    for i, j in combinations(range(7), 2):
        picks, utilities = batch_bald(P[:, [i, j]], 2)
        assert float(utilities[1, picks[1]]) == pytest.approx(
            GOLDEN["B_pair_mi"][i, j], abs=1e-9
        )
    for size in (2, 3, 4):
        best = max(
            combinations(range(7), size), key=lambda rows: joint_information(P, rows)
        )
        assert sorted(best) == sorted(GOLDEN[f"B_best_subset_{size}"].tolist())
    value = joint_information(P, GOLDEN["B_best_subset_4"])
    assert value == pytest.approx(float(GOLDEN["B_best_value_4"]), abs=1e-9)


def test_golden_exact_gains_after_two_picks():
    labels = Configurations(P, 10_000)
    for row in GOLDEN["B_mc_selected"]:
        labels.learn(P[:, row], torch.Generator())
    gains = gains_of(P, labels.pi_M, labels.weight_MS)
    np.testing.assert_allclose(gains, GOLDEN["B_exact_gain_after2"], atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_picks_and_utilities_equal_exhaustive_evaluation(seed):
    samples = random_draws(seed)
    picks, utilities = batch_bald(samples, 3)
    for step in range(3):
        before = picks[:step].tolist()
        values = {
            row: joint_information(samples, [*before, row])
            for row in range(7)
            if row not in before
        }
        assert int(picks[step]) == max(values, key=values.get)
        for row, value in values.items():
            assert float(utilities[step, row]) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_greedy_guarantee(seed):
    samples = random_draws(seed)
    picks, utilities = batch_bald(samples, 3)
    best = max(joint_information(samples, rows) for rows in combinations(range(7), 3))
    assert float(utilities[2, picks[2]]) >= (1 - 1 / math.e) * best


def test_first_row_is_bald():
    torch.testing.assert_close(batch_bald(P, 1)[1][0], bald(P))


@pytest.mark.slow
@example(100, 8)  # whose sampled labels overestimate
@given(st.integers(0, 200), st.sampled_from([8, 10_000]))
def test_gains_shrink_and_stay_below_their_bounds(seed, n_configurations):
    samples = random_draws(seed, n_draws=5)
    picks, utilities = batch_bald(
        samples,
        4,
        n_configurations=n_configurations,
        generator=torch.Generator().manual_seed(seed),
    )
    reached = utilities[range(4), picks]
    assert (reached.diff() >= 0).all()
    assert reached[-1] <= math.log(5) + 1e-9
    assert reached[-1] <= bald(samples)[picks].sum() + 1e-9
    if n_configurations > 81:
        gains = reached.diff(prepend=reached.new_zeros(1))
        assert (gains.diff() <= 1e-9).all()


@pytest.mark.slow
@pytest.mark.parametrize("n_tried", [1, 8])
def test_bounds_spare_evaluations(monkeypatch, n_tried):
    """Of 300 candidates, few are evaluated with all of many configurations."""
    monkeypatch.setattr("skal_deep.functional.joint_entropy._N_TRIED", n_tried)
    monkeypatch.setattr(
        "skal_deep.functional.joint_entropy.chunk_elements", lambda device: 0
    )
    source = np.random.default_rng(0)
    weights = source.standard_normal((8, 3)) + 0.5 * source.standard_normal((60, 8, 3))
    hidden = torch.as_tensor(source.standard_normal((300, 8)))
    gains = _Gains((hidden @ torch.as_tensor(weights)).softmax(-1))
    known = Configurations(gains._samples_SNC, 800)  # sampled from the seventh label on
    left, labels = torch.ones(300, dtype=torch.bool), torch.Generator().manual_seed(0)
    pick = int(gains.bald_N.argmax())
    for step in range(9):
        left[pick] = False
        known.learn(gains._samples_SNC[:, pick], labels)
        assert known.is_exact == (step < 6)
        found = gains.largest(known, left)
        pick = int(torch.where(left, gains.of_all(known), -math.inf).argmax())
        assert int(found.argmax()) == pick
        assert 1 <= int((found > -math.inf).sum()) < 100


@pytest.mark.slow
@given(st.integers(0, 200), st.integers(1, 60))
def test_sampled_labels_may_raise_gains(seed, n_configurations):
    """Then what was found before is no bound."""
    samples = random_draws(seed, n=40)
    source = np.random.default_rng(seed)
    weight = torch.as_tensor(source.dirichlet(np.full(6, 0.3), n_configurations))
    pi = torch.full((n_configurations,), 1 / n_configurations).double()
    known = SimpleNamespace(is_exact=False, pi_M=pi, weight_MS=weight)
    with pytest.MonkeyPatch.context() as patch:
        module = "skal_deep.functional.joint_entropy"
        patch.setattr(f"{module}.chunk_elements", lambda device: 1)
        for name in ("_N_TRIED", "_FEW"):
            patch.setattr(f"{module}.{name}", 1)
        found = _Gains(samples).largest(known, torch.ones(40, dtype=torch.bool))
    gains = gains_of(samples, pi, weight)
    assert int(found.argmax()) == int(gains.argmax())
    torch.testing.assert_close(found.max(), gains.max())


@pytest.mark.slow
@given(st.integers(0, 50), st.randoms(use_true_random=False))
def test_order_does_not_matter(seed, random):
    samples = random_draws(seed)
    s, n, c = (random.sample(range(k), k) for k in samples.shape)
    picks, utilities = batch_bald(samples, 3)
    permuted_picks, permuted = batch_bald(samples[s][:, n][..., c], 3)
    assert [n[i] for i in permuted_picks] == picks.tolist()
    torch.testing.assert_close(utilities[:, n], permuted)


def test_sampled_is_close_to_exact():
    samples = random_draws(3, n_draws=6, n=8, n_classes=5)
    exact_picks, exact = batch_bald(samples, 4, n_configurations=10_000)
    picks, sampled = batch_bald(
        samples, 4, n_configurations=120, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(sampled[:3], exact[:3])
    assert picks[:3].tolist() == exact_picks[:3].tolist()
    assert 0 < float((sampled[3] - exact[3]).abs().max()) < 0.05


def test_sampled_weights_are_distributions():
    labels = Configurations(P, 2)
    source = torch.Generator().manual_seed(0)
    labels.learn(P[:, 6], source)
    labels.learn(P[:, 3], source)
    assert labels._place_J.shape == (6,)  # one for each draw
    assert len(labels.weight_MS) == len(labels.weight_MS.unique(dim=0))
    assert labels._place_J.unique().tolist() == [*range(len(labels.weight_MS))]
    torch.testing.assert_close(labels.pi_M.sum(), torch.tensor(1.0).double())
    sums = labels.weight_MS.sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_sampled_configurations_are_kept_once():
    samples = random_draws(1, n_draws=1000) * torch.tensor([0.8, 0.15, 0.05]).double()
    samples = samples / samples.sum(-1, keepdim=True)
    exact, sampled = Configurations(samples, 9), Configurations(samples, 8)
    for row in (0, 4):
        exact.learn(samples[:, row], torch.Generator())
        sampled.learn(samples[:, row], torch.Generator().manual_seed(0))
    assert exact.is_exact
    assert not sampled.is_exact
    assert len(exact.weight_MS) == 9
    assert 1 < len(sampled.weight_MS) <= 9
    distance = torch.cdist(sampled.weight_MS, exact.weight_MS)
    assert float(distance.min(1).values.max()) < 1e-9
    torch.testing.assert_close(sampled.pi_M.sum(), torch.tensor(1.0).double())
    shares = exact.pi_M[distance.argmin(1)]
    assert shares.max() - shares.min() > 0.25
    torch.testing.assert_close(sampled.pi_M, shares, atol=0.03, rtol=0)


def test_draws_that_agree_carry_no_information():
    samples = P[:1].repeat(4, 1, 1)
    picks, utilities = batch_bald(samples, 3)
    assert len(set(picks.tolist())) == 3
    assert float(utilities.max()) < 1e-12


def test_certain_draws_gain_nothing_from_a_copy():
    samples = torch.as_tensor(GOLDEN["B_det_P"])
    twice = torch.cat([samples, samples[:, :1]], dim=1)
    single = joint_information(samples, [0])
    assert joint_information(twice, [0, 3]) == pytest.approx(single)
    _, utilities = batch_bald(twice[:, [0, 3]], 2)
    assert float(utilities[1].max()) == pytest.approx(single)


def test_long_batches_stay_finite_and_below_the_ceiling():
    samples = random_draws(0, n_draws=20, n=60, n_classes=4, scale=6.0).float()
    picks, utilities = batch_bald(
        samples, 40, n_configurations=400, generator=torch.Generator().manual_seed(0)
    )
    assert len(set(picks.tolist())) == 40
    assert int((utilities == 0).sum()) == sum(range(40))
    assert float(utilities.max()) <= math.log(20) + 1e-5
    n_informed = n_informed_picks(utilities, picks, 20)
    assert 1 < n_informed < 40
    rest = bald(samples)[picks[n_informed:]]
    assert (rest.diff() <= 1e-6).all()  # the order of BALD
    assert n_informed_picks(*reversed(batch_bald(P, 3)), 6) == 3


def test_identical_rows_are_never_picked_twice():
    samples = P[:, :1].repeat(1, 5, 1)  # gains are equal up to round-off
    assert sorted(batch_bald(samples, 5)[0].tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("shape", [(1, 3, 2), (3, 1, 2), (3, 3, 1)])
def test_degenerate_shapes(shape):
    samples = torch.ones(shape).softmax(-1)
    picks, utilities = batch_bald(samples, shape[1])
    assert sorted(picks.tolist()) == list(range(shape[1]))
    assert torch.isfinite(utilities[0]).all()


def test_zeros_are_fine():
    samples = torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [1.0, 0.0]]])
    _, utilities = batch_bald(samples, 2)
    assert float(utilities[0, 0]) == pytest.approx(math.log(2))
    assert float(utilities[1].max()) == pytest.approx(
        joint_information(samples, [0, 1]), abs=1e-6
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    samples = random_draws(0).to(dtype)
    picks, utilities = batch_bald(samples, 4)
    assert picks.tolist() == batch_bald(samples.float(), 4)[0].tolist()
    assert utilities.dtype == torch.float32


def test_rows_without_any_probability_stay_finite():
    assert torch.isfinite(batch_bald(torch.zeros(5, 6, 3), 6)[1]).all()


def test_bad_input():
    with pytest.raises(ValueError, match="samples holds NaN"):
        batch_bald(torch.full((2, 2, 2), math.nan), 1)
    with pytest.raises(ValueError, match="batch_size"):
        batch_bald(P, 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "slack"), [(torch.float64, 1e-9), (torch.float32, _ROUND_OFF)]
)
@given(st.integers(0, 300), st.integers(3, 60), st.floats(0.1, 5))
def test_groups_of_configurations_give_upper_bounds(
    dtype, slack, seed, n_configurations, scale
):
    samples = random_draws(seed, n=9, scale=scale).to(dtype)
    known = Configurations(samples, n_configurations)
    source = torch.Generator().manual_seed(seed)
    for row in range(3):
        known.learn(samples[:, row], source)
    pi, weight = known.pi_M, known.weight_MS
    gains = gains_of(samples, pi, weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skal_deep.functional._configurations._MIN_SHARE", 0)
        groups = [*group_configurations(pi, weight, principal_directions(samples))]
    bounds = []
    for pi_g, weight_g in groups:
        torch.testing.assert_close(pi_g.sum(), pi.sum())
        torch.testing.assert_close(pi_g @ weight_g, pi @ weight)
        bounds.append(gains_of(samples, pi_g, weight_g))
        assert (bounds[-1] >= gains - slack).all()
    _, by_draw, split = bounds
    assert (split <= by_draw + slack).all()  # parts of groups bound no worse


def test_groups_by_draw_are_tight_once_configurations_have_settled():
    samples = random_draws(0, n_draws=20, n=50)
    noise = torch.rand(1000, 20, generator=torch.Generator().manual_seed(0)).double()
    weight = 0.03 * noise / noise.sum(-1, keepdim=True)
    weight[range(1000), torch.arange(1000) % 20] += 0.97
    pi = torch.full((1000,), 1e-3).double()
    gains = gains_of(samples, pi, weight)
    loose, by_draw, split = (
        (gains_of(samples, *group) - gains).mean()
        for group in group_configurations(pi, weight, principal_directions(samples))
    )
    assert split < by_draw < 0.01 * loose


@pytest.mark.parametrize("min_share", [2, 1_000])  # with groups, and without
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_without_utilities_the_picks_are_the_same(monkeypatch, seed, scale, min_share):
    share = "skal_deep.functional._configurations._MIN_SHARE"
    monkeypatch.setattr(share, min_share)
    monkeypatch.setattr(
        "skal_deep.functional.joint_entropy.chunk_elements", lambda device: 900
    )
    monkeypatch.setattr("skal_deep.functional.joint_entropy._FEW", 0)
    monkeypatch.setattr("skal_deep.functional.joint_entropy._N_TRIED", 2)
    samples = random_draws(seed, n_draws=12, n=80, scale=scale)
    sources = [torch.Generator().manual_seed(seed) for _ in range(2)]
    picks, utilities = batch_bald(
        samples, 8, n_configurations=100, generator=sources[0]
    )
    alone, reached = batch_bald(
        samples, 8, n_configurations=100, generator=sources[1], with_utilities=False
    )
    assert picks.tolist() == alone.tolist()
    torch.testing.assert_close(reached, utilities[range(8), picks])
    n_informed = n_informed_picks(utilities, picks, 12)
    assert n_informed == n_informed_picks(reached, alone, 12)


def test_past_the_ceiling_the_order_is_that_of_bald():
    """Also where sampled labels overestimate what has been reached."""
    samples = random_draws(100, n_draws=5)
    picks, utilities = batch_bald(
        samples, 7, n_configurations=8, generator=torch.Generator().manual_seed(100)
    )
    n_informed = n_informed_picks(utilities, picks, 5)
    assert n_informed < 6
    scores = bald(samples)[picks[n_informed:]]
    assert (scores.diff() <= 0).all()
    assert (utilities <= math.log(5) + 1e-9).all()
