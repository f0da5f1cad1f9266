"""CoreMSE and the information of a batch about predictions, against enumeration."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from skal_deep.functional import batch_epig, core_mse, epig

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "learned.npz")
P, T = (torch.as_tensor(GOLDEN[name]) for name in ("be_P", "be_T"))


def draws(n_draws, n, n_classes, seed=0, concentration=0.5):
    rng = np.random.default_rng(seed)
    return torch.as_tensor(
        rng.dirichlet(np.full(n_classes, concentration), size=(n_draws, n))
    )


def joint_information(samples, targets, rows):
    """Return ``mean_* I(y_B; y_*)`` by summing over all labels."""
    n_draws, _, n_classes = samples.shape
    total = 0.0
    for m in range(targets.shape[1]):
        for labels in itertools.product(range(n_classes), repeat=len(rows)):
            likely = torch.ones(n_draws, dtype=torch.float64)
            for row, label in zip(rows, labels, strict=True):
                likely = likely * samples[:, row, label]
            for c in range(n_classes):
                joint = float((likely * targets[:, m, c]).mean())
                apart = float(likely.mean() * targets[:, m, c].mean())
                if joint > 0:
                    total += joint * np.log(joint / apart)
    return total / targets.shape[1]


def test_core_mse_golden():
    torch.testing.assert_close(core_mse(P, T), torch.as_tensor(GOLDEN["be_coremse"]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_core_mse_by_its_definition(dtype):
    samples, targets = draws(7, 9, 4, 1).to(dtype), draws(7, 5, 4, 2).to(dtype)
    weight_SNC = samples / samples.sum(0)
    after = torch.einsum("snc,smd->ncmd", weight_SNC, targets)
    change = (after - targets.mean(0)).square().sum(-1).mean(-1)
    expected = (samples.mean(0) * change).sum(-1)
    torch.testing.assert_close(core_mse(samples, targets), expected)


def test_core_mse_does_not_lose_small_changes():
    base = draws(1, 4, 3, 3)
    noise = 1e-6 * (draws(6, 4, 3, 4) - draws(6, 4, 3, 5))
    samples = (base + noise).clamp_min(0)
    samples = samples / samples.sum(-1, keepdim=True)
    targets = samples
    weight_SNC = samples / samples.sum(0)
    centred = targets - targets.mean(0)
    change = torch.einsum("snc,smd->ncmd", weight_SNC, centred).square()
    expected = (samples.mean(0) * change.sum(-1).mean(-1)).sum(-1)
    torch.testing.assert_close(core_mse(samples, targets), expected, rtol=1e-6, atol=0)


def test_draws_that_agree_expect_no_change():
    samples = draws(1, 6, 3).expand(5, 6, 3)
    assert core_mse(samples, draws(5, 4, 3)).abs().max() < 1e-30
    assert core_mse(draws(5, 6, 3), samples[:, :4]).abs().max() < 1e-30


def test_a_class_that_no_draw_thinks_possible():
    samples = draws(5, 6, 3)
    wider = torch.cat([samples, torch.zeros(5, 6, 1, dtype=samples.dtype)], -1)
    torch.testing.assert_close(core_mse(wider, wider), core_mse(samples, samples))


def test_batch_epig_golden():
    picks, utilities = batch_epig(P, T, 3, n_configurations=1000)
    assert picks.tolist() == GOLDEN["be_batch"].tolist()
    found = utilities[torch.arange(3), picks].numpy()
    np.testing.assert_allclose(found, GOLDEN["be_batch_values"], rtol=1e-9)


def test_the_first_row_is_epig():
    samples, targets = draws(8, 20, 3, 6), draws(8, 10, 3, 7)
    _, utilities = batch_epig(samples, targets, 2)
    torch.testing.assert_close(utilities[0], epig(samples, targets))


@pytest.mark.slow
def test_batch_epig_by_enumeration():
    samples, targets = draws(6, 5, 3, 8), draws(6, 3, 3, 9)
    picks, utilities = batch_epig(samples, targets, 3, n_configurations=27)
    for step in range(3):
        before = picks[:step].tolist()
        for row in set(range(5)) - set(before):
            expected = joint_information(samples, targets, [*before, row])
            assert float(utilities[step, row]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_sampled_labels_estimate_the_same():
    samples, targets = draws(10, 8, 3, 10), draws(10, 6, 3, 11)
    exact = batch_epig(samples, targets, 4, n_configurations=100)[1]
    sampled = torch.stack(
        [
            batch_epig(
                samples,
                targets,
                4,
                n_configurations=20,
                generator=torch.Generator().manual_seed(seed),
            )[1][3]
            for seed in range(40)
        ]
    )
    left = (exact[3] != 0) & (sampled != 0).all(0)
    off = (sampled.mean(0) - exact[3])[left].abs() / exact[3][left]
    assert off.max() < 0.1


def test_a_copy_adds_less_than_another_row():
    """Two rows of one kind, one of another: the batch takes one of each."""
    rng = np.random.default_rng(0)
    a, b = rng.choice([0.01, 0.99], size=40), rng.choice([0.2, 0.8], size=40)
    rows = np.stack([a, a, b])
    samples = torch.as_tensor(np.stack([rows, 1 - rows], -1).transpose(1, 0, 2))
    targets = torch.cat([samples[:, [0]], samples[:, [2]]], 1)
    picks, _ = batch_epig(samples, targets, 2)
    assert set(picks.tolist()) in ({0, 2}, {1, 2})
    assert epig(samples, targets).topk(2).indices.sort().values.tolist() == [0, 1]


@pytest.mark.slow
def test_utilities_may_be_left_out():
    samples, targets = draws(8, 20, 3, 6), draws(8, 10, 3, 7)
    picks, utilities = batch_epig(samples, targets, 3)
    same, values = batch_epig(samples, targets, 3, with_utilities=False)
    assert picks.tolist() == same.tolist()
    torch.testing.assert_close(values, utilities[torch.arange(3), picks])


@pytest.mark.parametrize("kernel", [core_mse, lambda p, t: batch_epig(p, t, 1)])
def test_draws_must_be_the_same(kernel):
    with pytest.raises(ValueError, match=r"6 draws and targets 5"):
        kernel(P, T[:5])
    with pytest.raises(ValueError, match=r"3 classes and targets 2"):
        kernel(P, T[..., :2])
