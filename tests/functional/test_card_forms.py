"""What kernels do on a card only, played on the processor, against what they do there.

A tensor that denies that it is the processor's takes the ways of a card. Inputs are
made to break them: ties, copies, far clusters, one row, a batch of all rows, what is
no number.
"""

import math

import pytest
import torch

from skal_deep.functional import (
    _card,
    badge,
    bald,
    batch_bald,
    k_center,
    k_center_greedy,
    lcmd,
    max_det,
)


class OnCard(torch.Tensor):
    """A tensor that takes the ways of a card; so does all that is computed of it."""

    is_cpu = False


def on_card(values):
    return values.clone().as_subclass(OnCard)


def normal(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def generator():
    return torch.Generator().manual_seed(0)


FAR = torch.tensor([[1e4, 0, 0], [0, 1e4, 0], [-1e4, 0, 3]])
POINTS = {
    "scattered": normal(200, 3),
    "copies": normal(20, 3).repeat(10, 1),
    "a grid, full of ties": torch.cartesian_prod(*[torch.arange(6.0)] * 3),
    "far clusters": torch.cat([FAR + 1e-2 * row for row in normal(60, 3)]),
    "far from the origin": normal(200, 3) + 1e3,
    "one place": torch.ones(40, 3),
    "one row": normal(1, 3),
    "two rows": normal(2, 3),
}
BATCHES = {
    "LCMD": lambda rows, known, **k: lcmd(rows, known, **k),
    "LCMD with mass": lambda rows, known, **k: lcmd(rows, known, mass=rows, **k),
    "MaxDet": lambda rows, known, **k: max_det(rows, known, noise=10.0, **k),
    "Badge": lambda rows, known, **k: badge(
        (rows - rows.mean(0)).softmax(-1), rows, generator=generator(), **k
    ),
}


@pytest.mark.parametrize("n_known", [0, 4])
@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("kernel", BATCHES)
def test_batches_are_the_same(kernel, points, n_known):
    # differences of both ways round alike in float64, so that ties are ties
    rows = POINTS[points].double()
    known = rows[:n_known] + 0.5
    batch_size = min(len(rows), 50)
    picks, utilities = BATCHES[kernel](rows, known, batch_size=batch_size)
    for with_utilities in (True, False):
        there, found = BATCHES[kernel](
            on_card(rows),
            on_card(known),
            batch_size=batch_size,
            with_utilities=with_utilities,
        )
        assert there.tolist() == picks.tolist()
        expected = utilities if with_utilities else utilities[range(batch_size), picks]
        torch.testing.assert_close(found.as_subclass(torch.Tensor), expected)


@pytest.mark.parametrize("n_known", [1, 4])
@pytest.mark.parametrize("points", POINTS)
def test_the_next_centre_is_the_farthest_point(points, n_known, monkeypatch):
    """Fronts and reads are small, so that many picks are taken back."""
    monkeypatch.setattr(k_center, "_LARGE_FRONT_SIZE", 16)
    monkeypatch.setattr(k_center, "_PICKS_A_READ", 5)
    rows = POINTS[points].double()
    known = rows[:n_known] + 0.5
    n_picks = len(rows)
    picks, distances = k_center_greedy(
        on_card(rows), on_card(known), n_picks, with_utilities=False
    )
    assert len(set(picks.tolist())) == n_picks
    left_N = torch.ones(len(rows), dtype=torch.bool)
    nearest_N = (rows[:, None] - known).square().sum(-1).amin(1).sqrt()
    for pick, distance in zip(picks.tolist(), distances.tolist(), strict=True):
        assert left_N[pick]
        assert nearest_N[pick] >= 0.999 * nearest_N[left_N].max()
        assert distance == pytest.approx(float(nearest_N[pick]), rel=1e-3, abs=1e-12)
        left_N[pick] = False
        to_pick_N = (rows - rows[pick]).square().sum(-1).sqrt()
        nearest_N = torch.minimum(nearest_N, to_pick_N)


SAMPLES = {
    "scattered": (2 * normal(9, 100, 3)).softmax(-1),
    "copies": (2 * normal(9, 20, 3)).softmax(-1).repeat(1, 10, 1),
    "certain": (200 * normal(9, 100, 3)).softmax(-1),
    "of one opinion": normal(1, 100, 3).softmax(-1).expand(9, -1, -1),
    "one row": (2 * normal(9, 1, 3)).softmax(-1),
    "round-off below 0": (2 * normal(9, 100, 3)).softmax(-1) - 1e-9,
}


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_information_is_the_same(samples, dtype):
    probas = SAMPLES[samples].to(dtype)
    if "below 0" in samples:
        probas[:, 3, 1] = -1e-9
    before = probas.clone()
    there = bald(on_card(probas)).as_subclass(torch.Tensor)
    torch.testing.assert_close(there, bald(probas), rtol=1e-5, atol=1e-6)
    assert torch.equal(probas, before)


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("n_configurations", [40, 2000])
def test_joint_information_is_the_same(samples, n_configurations):
    probas = SAMPLES[samples].double()
    if "below 0" in samples:
        probas[:, 3, 1] = -1e-9
    size = min(5, probas.shape[1])
    params = {"n_configurations": n_configurations}
    picks, utilities = batch_bald(probas, size, generator=generator(), **params)
    for with_utilities in (True, False):
        there, found = batch_bald(
            on_card(probas),
            size,
            generator=generator(),
            with_utilities=with_utilities,
            **params,
        )
        assert there.tolist() == picks.tolist()
        expected = utilities if with_utilities else utilities[range(size), picks]
        found = found.as_subclass(torch.Tensor)
        # p log p of what is below 0 is as small as p
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_no_numbers_are_told(bad):
    samples = on_card(SAMPLES["scattered"])
    samples[2, 7, 1] = bad
    with pytest.raises(ValueError, match="samples holds NaN or infinite"):
        bald(samples)
    with pytest.raises(ValueError, match="samples holds NaN or infinite"):
        batch_bald(samples, 3)
    rows = on_card(normal(20, 3))
    rows[4, 1] = bad
    for kernel in (k_center_greedy, lcmd):
        with pytest.raises(ValueError, match="holds NaN or infinite"):
            kernel(rows, rows[:2], 3)
    with pytest.raises(ValueError, match="holds NaN or infinite"):
        max_det(rows, rows[:2], 3, noise=1.0)


def fails(error):
    def divergences(*_):
        raise error

    return divergences


def test_loops_that_cannot_be_compiled_are_told(monkeypatch):
    """They are slower, and a compiler is easily installed."""
    monkeypatch.setattr(_card, "is_cuda", lambda device: True)
    monkeypatch.setattr(_card, "divergences", fails(RuntimeError("no C compiler.")))
    with pytest.warns(UserWarning, match="cannot compile loops for cpu: no C compiler"):
        assert not _card._compiles.__wrapped__(torch.device("cpu"))


def test_a_system_without_triton_has_no_loops(monkeypatch):
    monkeypatch.setattr(_card, "is_cuda", lambda device: True)
    monkeypatch.setattr(_card, "divergences", fails(ModuleNotFoundError("triton")))
    assert not _card._compiles.__wrapped__(torch.device("cpu"))
