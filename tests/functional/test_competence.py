"""DCoM's parts: golden competence, radii by brute force, both limits of the mean."""

import math

import pytest
import torch

from skal_deep.functional import competence as module
from skal_deep.functional import prob_cover
from skal_deep.functional.competence import (
    competence,
    covered_rows,
    pure_radii,
    uncertain_cover,
)

ROWS = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [(0.5, 0.000124), (0.8, 0.501239), (0.9, 0.954935), (1.0, 1.0)],
)
def test_the_golden_competence(coverage, expected):
    assert competence(coverage, 0.8, 30) == pytest.approx(expected, abs=1e-6)


def test_balls_are_pure_up_to_their_radius_and_not_beyond():
    labels = (ROWS[:, 0] > 0).long()
    radii = pure_radii(ROWS, labels, 12, 0.8, 1.5)
    distance = torch.cdist(ROWS[:12], ROWS)
    assert (radii <= 1.5).all()
    assert (radii < 1.5).any()
    for center, radius in enumerate(radii):
        same = labels == labels[center]
        ends = distance[center][distance[center] <= radius].sort().values
        for end in ends[ends < radius - 1e-5]:
            inside = distance[center] <= end + 1e-6
            assert same[inside].float().mean() >= 0.8
        if radius < 1.5:  # the row at the radius is one too many
            beyond = distance[center] <= radius + 1e-5
            assert same[beyond].float().mean() < 0.8


def radii_by_balls(rows, labels, n_centers, purity, largest):
    """Radii by looking into each ball around each centre."""
    radii = []
    for center in range(n_centers):
        distance = torch.linalg.vector_norm(rows - rows[center], dim=1)
        radius = largest
        for end in distance.unique():
            same = labels[distance <= end] == labels[center]
            if same.sum() < purity * len(same):
                radius = min(float(end), largest)
                break
        radii.append(radius)
    return torch.tensor(radii).to(rows)


@pytest.mark.parametrize("largest", [0.5, 3.0, math.inf])
@pytest.mark.parametrize(
    ("kind", "n_together"),
    [("grid", 64)]
    + [
        (kind, n) for kind in ("spread", "copies", "far away", "tight") for n in (64, 3)
    ],
)
def test_radii_are_those_of_all_balls(kind, largest, n_together, monkeypatch):
    """Also where rows are equally far, whatever their order, and from products.

    With many rows near a centre round-off decides about the equally far of a grid.
    """
    monkeypatch.setattr(module, "_N_TOGETHER", n_together)
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randn(90, 3, generator=generator)
        if kind == "grid":
            rows = rows.round()
        if kind == "copies":
            rows[45:] = rows[:45].clone()
        if kind == "far away":
            rows = (1e-3 * rows + 1).double()
            largest = min(largest, 1e-3)
        if kind == "tight":
            places = 100 * torch.randn(3, 3, generator=generator)
            rows = 1e-3 * rows + places[torch.arange(90) % 3]
            largest = max(largest, 500)
        labels = torch.randint(2, (90,), generator=generator)
        ours = pure_radii(rows, labels, 20, 0.5, largest)
        expected = radii_by_balls(rows, labels, 20, 0.5, largest)
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=0)


def test_radii_where_all_labels_are_equal():
    radii = pure_radii(ROWS, torch.zeros(40), 5, 1.0, 0.3)
    assert radii.tolist() == pytest.approx([0.3] * 5)
    assert not len(pure_radii(ROWS, torch.zeros(40), 0, 1.0, 0.3))


def test_covered_rows():
    covered = covered_rows(ROWS, ROWS[:3], torch.tensor([0.5, 1e-9, 0.1]))
    expected = (torch.cdist(ROWS, ROWS[[0, 2]]) < torch.tensor([0.5, 0.1])).any(1)
    expected[1] = True
    assert torch.equal(covered, expected)
    assert not covered_rows(ROWS, ROWS[:0], torch.empty(0)).any()


@pytest.mark.slow
def test_no_trust_is_prob_cover_and_full_trust_uncertainty():
    uncertainty = torch.rand(40, generator=torch.Generator().manual_seed(1))
    covers, covered = uncertain_cover(ROWS, uncertainty, ROWS, 5, radius=0.7, trust=0.0)
    assert covered.amax(1).eq(1).all()  # what is left is scaled anew
    expected, _ = prob_cover(ROWS, ROWS, ROWS[:0], 5, radius=0.7)
    assert torch.equal(covers, expected)
    uncertain, utilities = uncertain_cover(
        ROWS, uncertainty, ROWS, 5, radius=0.7, trust=1.0
    )
    assert torch.equal(uncertain, uncertainty.topk(5).indices)
    cheap, scores = uncertain_cover(
        ROWS, uncertainty, ROWS, 5, radius=0.7, trust=1.0, with_utilities=False
    )
    assert torch.equal(cheap, uncertain)
    assert torch.equal(scores, utilities[torch.arange(5), uncertain])


def test_a_population_that_is_the_candidates_changes_nothing():
    uncertainty = torch.rand(40, generator=torch.Generator().manual_seed(1))
    arguments = {"radius": 0.7, "trust": 0.4}
    alone = uncertain_cover(ROWS, uncertainty, ROWS, 8, **arguments)
    beside = uncertain_cover(
        ROWS, uncertainty, ROWS, 8, **arguments, population=(ROWS, uncertainty)
    )
    assert torch.equal(alone[0], beside[0])
    assert torch.equal(alone[1], beside[1])


def test_round_off_does_not_move_rows_across_a_radius():
    """Radii are distances of rows, so that many rows lie on the border of a ball."""
    grid = torch.cartesian_prod(torch.arange(5.0), torch.arange(4.0))
    noise = 1e-7 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    uncertainty = torch.rand(20, generator=torch.Generator().manual_seed(1))
    covered, (picks, utilities) = [], (None, None)
    for rows in (grid, grid + noise, grid - noise):
        radii = torch.tensor([1.0, 2.0])
        covered.append(covered_rows(rows, rows[[3, 12]], radii))
        its, scores = uncertain_cover(rows, uncertainty, rows, 4, radius=1.0, trust=0.5)
        if picks is None:
            picks, utilities = its, scores
        assert torch.equal(its, picks)
        torch.testing.assert_close(scores, utilities)
    assert torch.equal(covered[0], covered[1])
    assert torch.equal(covered[0], covered[2])
    # the first centre alone, the second with all that are one step or a diagonal away
    assert covered[0].sum() == 1 + 6


def test_equal_rows_are_picked_once():
    same = torch.zeros(4, 2)
    picks, _ = uncertain_cover(same, torch.ones(4), same, 4, radius=1.0, trust=0.5)
    assert sorted(picks.tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize("with_population", [False, True])
def test_what_balls_hold_is_the_same_kept_and_found_anew(with_population):
    """It is kept where there are no more rows than bytes of a centre: not 40 and 8."""
    uncertainty = torch.rand(40, generator=torch.Generator().manual_seed(1))
    candidates = slice(10, 40) if with_population else slice(0, 40)
    wide = torch.cat([ROWS, torch.zeros(40, 8)], 1)
    answers = []
    for rows in (ROWS, wide):
        population = (rows, uncertainty) if with_population else None
        balls = module._Balls(rows, rows, 0.7)
        assert (balls._is_near_NM is not None) == (rows is wide)
        found = uncertain_cover(
            rows[candidates],
            uncertainty[candidates],
            rows,
            9,
            radius=0.7,
            trust=0.3,
            population=population,
        )
        answers.append(found)
    assert torch.equal(answers[0][0], answers[1][0])
    assert torch.equal(answers[0][1], answers[1][1])
