"""The simulations of ``python -m benchmarks trust`` run; what is proved holds there."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.preprocessing import normalize

ROOT = Path(__file__).parent.parent
# The others are looked at below.
PARTS = ["margins", "guard", "arms", "anytime", "plans"]
TABLE = """@relation flowers
@attribute width real [0, 1]
@attribute colour {red, blue}
@attribute Class {one, two}
@data
"""


@pytest.fixture
def trust(monkeypatch):
    """Return the benchmark: it stands beside the tests, not in the package."""
    monkeypatch.syspath_prepend(str(ROOT))
    return pytest.importorskip("benchmarks.trust")


def rates(table):
    """Return the numbers of a table of Markdown, a list for each of its lines."""
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[4:]]
    return {row[0]: [float(cell) for cell in row[1:]] for row in rows}


@pytest.mark.slow
def test_short_form_on_the_command_line(trust, tmp_path, monkeypatch):
    out = tmp_path / "results.md"
    arguments = ["--short", "--parts", *PARTS, "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["benchmarks", "trust", *arguments])
    runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)
    text = out.read_text()
    assert "## Numbers to rely on" in text
    assert text.count("\n**") == len(PARTS)


def test_every_part_has_a_short_form(trust):
    without_sizes = {"families"}
    for is_short in (True, False):
        assert trust.sizes(is_short).keys() | without_sizes == {*trust.parts({}, None)}


@pytest.mark.slow
def test_the_search_is_measured(trust):
    (table,) = trust.run(["search"], is_short=True)
    for area, found, more, low, high in rates(table).values():
        assert found - area == pytest.approx(more, abs=0.002)
        assert low <= more <= high


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_promised(trust):
    for name, better, worse, missed, _ in trust.evidence.alarms(400, 60):
        assert better <= 0.05 or name.startswith("better"), name
        assert worse <= 0.05 or name.startswith("chosen"), name
        assert missed <= 0.08, name


@pytest.mark.slow
def test_numbers_of_rows_are_whole(trust):
    (table,) = trust.run(["rows"], is_short=True)
    for line in table.splitlines()[4:]:
        assert all(cell.isdigit() for cell in line.strip("| ").split(" | ")[1:])


@pytest.mark.nightly
def test_a_model_that_is_proved_better_is_seldom_worse(trust):
    rules = {rule: cells for rule, *cells in trust.returns.table(2)}
    assert rules["always all"][1] > 0.5  # some pool defeats some strategy
    assert rules["all if proved better"][0] <= 0.05
    assert rules["all if proved better"][3] > 0.5  # and none beats as many random ones


@pytest.mark.slow
def test_noise_seldom_misleads_the_advice_on_stopping(trust):
    for name, points, stop, go_on, _ in trust.stopping.table(20):
        if "flat" in name:
            assert go_on == 0
        if "8 on 1000" in name:  # where the advice knows most
            assert stop == (points == 0)


@pytest.mark.nightly
def test_intervals_hold_where_students_does_not(trust):
    lines = trust.risk.coverage(4)
    held, student = (np.mean([line[column] for line in lines]) for column in (2, 3))
    assert held > 0.95
    assert student < 0.7


@pytest.mark.slow
@pytest.mark.parametrize(
    "planted",
    [
        "easy task",
        "strong model",
        "nothing to gain",
        "copies in a batch",
        "uncertainty unreliable",
    ],
)
def test_planted_reasons_are_named_on_real_data(trust, planted):
    """Of convergence and noise less is found: the benchmark says how often."""
    X, y = load_digits(return_X_y=True)
    assert trust.reasons.named(planted, normalize(X), y, seed=5, n_repeats=4) == planted


@pytest.mark.slow
def test_curves_of_a_table_that_is_not_in_the_bank(trust, tmp_path):
    bank = pytest.importorskip("benchmarks.bank")
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=800)
    rows = [
        f"{width:.3f}, {('red', 'blue')[colour]}, {('one', 'two')[k]}"
        for width, colour, k in zip(
            y + rng.normal(size=800), rng.integers(2, size=800), y, strict=True
        )
    ]
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flowers/flowers.dat").write_text(TABLE + "\n".join(rows))
    X, classes = bank.read_keel(tmp_path / "flowers/flowers.dat")
    assert X.shape == (800, 3)
    assert set(classes) == {"one", "two"}
    lines = trust.plans.outside(tmp_path, ["flowers"], 1, 2)
    assert [line[:3] for line in lines[-2:]] == [["all", 2, 10], ["all", 2, 16]]
    assert all(0 <= line[-1] <= 1 for line in lines)


@pytest.mark.slow
def test_bands_hold_curves_of_other_families(trust):
    """The promise itself: a family that the band is not made from, left out in turn."""
    for _, _, n_families, held, said, wrong, _ in trust.plans.families():
        assert n_families >= 30
        assert held >= 0.9
        assert said > 0.1
        assert wrong <= 0.2
