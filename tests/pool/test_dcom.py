"""DCoM in large pools: what it looks at a sample for, and where it does not."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skal_deep.functional import competence
from skal_deep.pool import DCoM

MODULE = "skal_deep.pool._dcom"


@pytest.fixture
def seen(monkeypatch):
    """Return a list of the sizes that each query looks at, its radius and trust."""
    queries = []

    def radii(data, labels, n_centers, purity, largest):
        found = competence.pure_radii(data, labels, n_centers, purity, largest)
        # the centres stand first, each once
        assert len(data.unique(dim=0)) == len(data) == len(labels)
        queries.append({"around": len(data), "radius": largest})
        return found

    def cover(points, uncertainty, uncovered, batch_size, **options):
        queries[-1] |= {"counted": len(uncovered), "trust": options["trust"]}
        return competence.uncertain_cover(
            points, uncertainty, uncovered, batch_size, **options
        )

    monkeypatch.setattr(f"{MODULE}.pure_radii", radii)
    monkeypatch.setattr(f"{MODULE}.uncertain_cover", cover)
    return queries


def test_coverage_and_radii_of_a_large_pool_are_those_of_a_sample(seen, monkeypatch):
    """A third has labels: a sample with all of these would be covered to a half."""
    X = np.random.default_rng(0).normal(size=(600, 8))
    y = np.where(np.arange(600) < 200, np.arange(600) % 2, -1)
    strategy = DCoM(radius=0.3, midpoint=0.6, slope=10.0, random_state=0)

    def picks():
        return strategy.query(X, y, LogisticRegression(), batch_size=5)

    everything = picks()
    monkeypatch.setattr(f"{MODULE}._MOST_ROWS", 600)
    assert picks().tolist() == everything.tolist()
    monkeypatch.setattr(f"{MODULE}._MOST_ROWS", 599)
    monkeypatch.setattr(f"{MODULE}._N_SEEN", 240)
    monkeypatch.setattr(f"{MODULE}._MOST_PAIRS", 20 * 600)
    monkeypatch.setattr(f"{MODULE}._LEAST_ROWS", 5)
    large = picks()
    assert len(set(large.tolist())) == 5
    assert (y[large] == -1).all()
    whole, limit, part = seen
    assert whole["around"] == limit["around"] == 600
    # all 200 centres, and of 240 rows about 160 that have no label
    assert 330 < part["around"] < 390
    assert part["counted"] == 20
    assert part["trust"] == pytest.approx(whole["trust"], abs=0.1)
    strategy.set_params(max_data=30)  # as it was: all rows, and 30 to count
    picks()
    assert seen[-1]["around"] == 600
    assert seen[-1]["counted"] == 30


def test_the_radius_of_a_large_pool_is_about_that_of_all_balls(seen, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3)) + 6 * np.eye(3)[np.arange(600) % 3]
    y = np.where(np.arange(600) < 30, np.arange(600) % 3, -1)
    strategy = DCoM(random_state=0)
    strategy.query(X, y, LogisticRegression())
    for name, value in {"MOST_ROWS": 599, "MOST_PAIRS": 0, "LEAST_ROWS": 150}.items():
        monkeypatch.setattr(f"{MODULE}._{name}", value)
    strategy.query(X, y, LogisticRegression())
    assert seen[1]["radius"] != seen[0]["radius"]
    assert seen[1]["radius"] == pytest.approx(seen[0]["radius"], rel=0.3)
