"""Shares of arms, picks dealt out by them, and gains."""

import math

import pytest
import torch

from skal_deep.functional.bandit import (
    deal_out,
    doubtful_log_loss,
    exp3_shares,
    relative_gain,
)


def random_shares(n_arms, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n_arms, generator=generator, dtype=torch.float64).softmax(0)


def test_shares_are_exponential_weights():
    gain_K = torch.tensor([0.3, -0.2, 1.1], dtype=torch.float64)
    weights = [math.exp(1.7 * gain) for gain in gain_K.tolist()]
    shares = exp3_shares(gain_K, 4, learning_rate=1.7)
    torch.testing.assert_close(
        shares, torch.tensor([w / sum(weights) for w in weights], dtype=torch.float64)
    )
    rate = math.sqrt(2 * math.log(3) / (3 * 4))
    torch.testing.assert_close(
        exp3_shares(gain_K, 4), exp3_shares(gain_K, 4, learning_rate=rate)
    )


@pytest.mark.parametrize("n_arms", [2, 3, 7])
def test_equal_gains_are_equal_shares(n_arms):
    for gain in (0.0, 0.4, -3.0):
        shares = exp3_shares(torch.full((n_arms,), gain), 9, min_share=0.1)
        torch.testing.assert_close(
            shares, torch.full((n_arms,), 1 / n_arms, dtype=torch.float64)
        )


@pytest.mark.parametrize("min_share", [0.0, 0.2, 1.0])
def test_the_first_arm_keeps_its_share_at_the_cost_of_all_others(min_share):
    gain_K = torch.tensor([-900.0, 0.0, math.log(3.0)])
    shares = exp3_shares(gain_K, 1, min_share, learning_rate=1.0)
    rest = 1 - min_share
    expected = [min_share, rest / 4, 3 * rest / 4]
    torch.testing.assert_close(shares, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("arm", [0, 1, 2])
def test_one_arm_with_all_of_the_share_has_all_picks(arm):
    shares = torch.eye(3, dtype=torch.float64)[arm]
    arms, owed = deal_out(shares, torch.zeros(3, dtype=torch.float64), 11)
    assert arms.tolist() == [arm] * 11
    torch.testing.assert_close(owed, torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sizes", [[1] * 60, [10] * 6, [7, 1, 20, 2, 30]])
def test_picks_follow_the_shares_over_batches_of_any_size(seed, sizes):
    n_arms = 3 + seed
    owed, counts = torch.zeros(n_arms, dtype=torch.float64), torch.zeros(n_arms)
    expected = torch.zeros(n_arms, dtype=torch.float64)
    for number, size in enumerate(sizes):
        shares = random_shares(n_arms, 100 * seed + number)
        arms, owed = deal_out(shares, owed, size)
        counts += arms.bincount(minlength=n_arms)
        expected += size * shares
        assert len(arms) == size
        torch.testing.assert_close(owed, expected - counts)
        assert (owed.abs() < n_arms - 1).all()
        assert owed[0] < 1


def test_the_first_arm_waits_for_no_more_than_one_pick():
    owed = torch.tensor([0.0, 4.0, 4.0, 4.0], dtype=torch.float64)
    shares = torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64)
    for _ in range(20):
        _, owed = deal_out(shares, owed, 1)
        assert owed[0] < 1


@pytest.mark.parametrize("seed", range(3))
def test_a_shorter_batch_is_the_beginning_of_a_longer_one(seed):
    shares, owed = random_shares(4, seed), random_shares(4, seed + 9) - 0.25
    whole, _ = deal_out(shares, owed, 20, 0.2)
    for n in (1, 5, 19):
        assert deal_out(shares, owed, n, 0.2)[0].tolist() == whole[:n].tolist()


@pytest.mark.parametrize("min_share", [0.1, 0.2, 0.3, 0.7, 1.0])
def test_the_first_arm_has_its_least_number_of_picks_in_each_batch(min_share):
    owed = torch.tensor([-3.0, 2.0, 1.0], dtype=torch.float64)
    shares = exp3_shares(torch.tensor([-50.0, 50.0, 0.0]), 1, min_share, 1.0)
    for _ in range(4):
        arms, owed = deal_out(shares, owed, 30, min_share)
        n_first = (arms == 0).cumsum(0)
        least = [math.floor(min_share * t + 1e-9) for t in range(1, 31)]
        assert (n_first >= torch.tensor(least)).all()
    # and no more than that, once what it had too much is paid back
    assert int((arms == 0).sum()) <= math.ceil(30 * min_share)


def test_what_is_owed_by_the_caller_stays_as_it_was():
    owed = torch.zeros(2, dtype=torch.float64)
    deal_out(torch.tensor([0.5, 0.5], dtype=torch.float64), owed, 3)
    assert owed.tolist() == [0.0, 0.0]


def test_a_certain_mistake_costs_a_bounded_loss():
    loss = doubtful_log_loss(torch.tensor([0.0]), 10)
    assert loss.item() == pytest.approx(math.log(1000))
    sure = doubtful_log_loss(torch.tensor([1.0, 1.0]), 4)
    assert sure.item() == pytest.approx(-math.log(0.99 + 0.01 / 4))
    both = doubtful_log_loss(torch.tensor([0.0, 1.0]), 4)
    assert both.item() == pytest.approx((math.log(400) + sure.item()) / 2)


def test_gains_are_relative_and_bounded():
    def gain(loss, reference):
        return relative_gain(torch.tensor(loss), torch.tensor(reference)).item()

    assert gain(0.0, 0.0) == 0.0
    assert gain(0.0, 3.0) == 1.0
    assert gain(3.0, 0.0) == -1.0
    assert gain(1.0, 3.0) == 0.5
    assert gain(3.0, 1.0) == -gain(1.0, 3.0)
