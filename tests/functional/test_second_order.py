"""Rows that are found to second order, against all rows scored exactly."""

import pytest
import torch
from torch.nn.functional import one_hot

from skal_deep.functional import batch_bald, batch_epig
from skal_deep.functional._second_order import SecondOrder
from skal_deep.functional.look_ahead import _Gains


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def in_few_directions(n_draws, n, n_classes, scale):
    """Return draws that differ in four directions, each row by its own amount."""
    amount_N = torch.rand(n, generator=torch.Generator().manual_seed(1))
    slope = normal(4, n, n_classes, seed=2) * amount_N[:, None] * scale
    logits = torch.einsum("sk,knc->snc", normal(n_draws, 4), slope) / 2
    return (logits + 2 * normal(1, n, n_classes, seed=3)).softmax(-1)


def kinds(n_draws, n, n_classes):
    """Return draws of kinds for which the second order is good, and bad."""
    choice = torch.Generator().manual_seed(4)
    few = (3 * normal(n_draws, n // 4, n_classes)).softmax(-1)
    rare = torch.full((n_draws, n, n_classes), 1e-6)
    rare[..., 0] = 1
    rare[torch.arange(n) % n_draws, torch.arange(n), 1] = 1
    label_SN = torch.randint(n_classes, (n_draws, n), generator=choice)
    return {
        "alike": normal(n_draws, n, n_classes).softmax(-1),
        "sure": (12 * normal(n_draws, n, n_classes)).softmax(-1),
        "certain": one_hot(label_SN, n_classes).float(),
        "few directions": in_few_directions(n_draws, n, n_classes, 2.0),
        "few, sure": in_few_directions(n_draws, n, n_classes, 8.0),
        "copies": few[:, torch.randint(n // 4, (n,), generator=choice)],
        "one draw differs": rare / rare.sum(-1, keepdim=True),
    }


KINDS = list(kinds(2, 8, 2))


@pytest.mark.parametrize("shape", [(6, 12, 5), (9, 12, 4)])
def test_forms(shape):
    """With more draws than classes no products of draws are kept."""
    samples = normal(*shape).double().softmax(-1)
    form_SS = normal(shape[0], shape[0]).double()
    mean_NC = samples.mean(0)
    offset_SNC = samples - mean_NC
    expected = torch.einsum("snc,st,tnc->n", offset_SNC, form_SS, offset_SNC / mean_NC)
    torch.testing.assert_close(SecondOrder(samples).form(form_SS), expected)


def test_a_class_that_no_draw_thinks_possible():
    samples = torch.tensor([[[1.0, 0.0, 0.0]], [[0.5, 0.5, 0.0]]])
    value = SecondOrder(samples).form(torch.eye(2))
    assert float(value) == pytest.approx(2 * 0.25**2 * (1 / 0.75 + 1 / 0.25))


@pytest.mark.parametrize("shape", [(6, 90, 9), (9, 90, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_forms_of_parts_of_the_rows_are_those_of_all(shape, dtype, monkeypatch):
    samples = normal(*shape).to(dtype).softmax(-1)
    form_SS = normal(shape[0], shape[0])
    whole = SecondOrder(samples).form(form_SS)
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 700)
    torch.testing.assert_close(SecondOrder(samples).form(form_SS), whole)


@pytest.mark.parametrize("budget", [2**20, 400])
def test_the_form_of_gains_by_its_definition(budget, monkeypatch):
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", budget)
    samples, targets = normal(2, 6, 9, 4).double().softmax(-1)
    pi_M = normal(11).double().softmax(0)
    weight_MS = (3 * normal(11, 6, seed=2)).double().softmax(-1)
    mean_MNC = torch.einsum("ms,snc->mnc", weight_MS, targets)
    ratio_MST = torch.einsum("snc,tnc,mnc->mst", targets, targets, 1 / mean_MNC) / 9 - 1
    weights = pi_M, weight_MS, weight_MS
    expected = torch.einsum("m,ms,mt,mst->st", *weights, ratio_MST) / 2
    form_SS = _Gains(samples, targets, 1)._form(pi_M, weight_MS)
    torch.testing.assert_close(form_SS, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_draws", "n_classes"), [(20, 4), (6, 9)])
def test_batch_bald_of_the_best_rows(kind, n_draws, n_classes):
    samples = kinds(n_draws, 300, n_classes)[kind]
    exact = batch_bald(samples, 3, n_configurations=100)[1][2].max()
    rows, found = batch_bald(samples, 3, n_configurations=100, n_exact=60)
    assert found[2, rows[2]] >= (1 - 1e-3) * exact
    assert (found.amax(1) == found[torch.arange(3), rows]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_draws", "n_classes"), [(20, 4), (6, 9)])
def test_batch_epig_of_the_best_rows(kind, n_draws, n_classes):
    samples = kinds(n_draws, 150, n_classes)[kind]
    targets = samples[:, :20]
    exact = batch_epig(samples, targets, 3)[1][2].max()
    rows, found = batch_epig(samples, targets, 3, n_exact=30)
    assert found[2, rows[2]] >= (1 - 1e-3) * exact
    assert (found.amax(1) == found[torch.arange(3), rows]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_of_picks_is_exact(kind):
    """No row is picked by its estimate: three rows tell the same in any order."""
    samples = kinds(20, 150, 9)[kind]
    targets = samples[:, :20]
    rows, utilities = batch_bald(samples, 3, n_exact=1)
    alone = batch_bald(samples[:, rows], 3)[1][2].max()
    torch.testing.assert_close(utilities[2, rows[2]], alone, rtol=1e-4, atol=1e-6)
    rows, utilities = batch_epig(samples, targets, 3, n_exact=1)
    alone = batch_epig(samples[:, rows], targets, 3)[1][2].max()
    torch.testing.assert_close(utilities[2, rows[2]], alone, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kernel", ["bald", "epig"])
def test_with_and_without_utilities(kernel):
    samples = in_few_directions(20, 200, 5, 4.0)
    targets = () if kernel == "bald" else (samples[:, :15],)
    choose = batch_bald if kernel == "bald" else batch_epig
    results = [
        choose(
            samples,
            *targets,
            6,
            n_exact=20,
            generator=torch.Generator().manual_seed(0),
            with_utilities=wanted,
        )
        for wanted in (True, False)
    ]
    (rows, utilities), (same_rows, utility) = results
    assert rows.tolist() == same_rows.tolist()
    torch.testing.assert_close(utilities[torch.arange(6), rows], utility)
    assert len(set(rows.tolist())) == 6


@pytest.mark.parametrize(
    "choose", [batch_bald, lambda p, *a, **k: batch_epig(p, p, *a, **k)]
)
def test_a_batch_of_all_rows(choose):
    samples = normal(5, 7, 3).softmax(-1)
    assert sorted(choose(samples, 7, n_exact=2)[0].tolist()) == list(range(7))
