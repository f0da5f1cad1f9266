"""Random calls fail clearly, change nothing and move no global generator."""

import numpy as np
import pytest
import scipy.sparse
import torch
from fuzz import fuzzed
from sklearn.utils import check_array


@pytest.mark.slow
def test_a_few_random_calls(tmp_path):
    faults = fuzzed(150, seed=0, folder=tmp_path)
    assert not faults, "\n".join(faults)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1, 11))
def test_many_random_calls(tmp_path, seed):
    faults = fuzzed(500, seed, tmp_path)
    assert not faults, "\n".join(faults)


class TestTheHarness:
    """It sees what it is there for."""

    def faults(self, monkeypatch, tmp_path, call, argument=None):
        import fuzz

        def make(rng, folder):
            return "call", call, {"x": argument}

        monkeypatch.setattr(fuzz, "TARGETS", {make: 1})
        return fuzz.fuzzed(1, 0, tmp_path)

    @pytest.mark.parametrize(
        "call",
        [
            lambda x: [][1],
            lambda x: None.shape,
            lambda x: 1 / 0,
            lambda x: int("no number at all"),
            lambda x: {}["x"],
            lambda x: (_ for _ in ()).throw(RuntimeError("some words that say it")),
        ],
    )
    def test_accidents(self, monkeypatch, tmp_path, call):
        assert self.faults(monkeypatch, tmp_path, call)

    def test_changes(self, monkeypatch, tmp_path):
        def change(x):
            x[0] += 1

        [fault] = self.faults(monkeypatch, tmp_path, change, np.zeros(3))
        assert "x changed" in fault

    def test_what_a_sparse_matrix_notes_of_itself_is_no_change(
        self, monkeypatch, tmp_path
    ):
        def look(x):
            return x.has_canonical_format

        def change(x):
            x.data[0] += 1

        X = scipy.sparse.csr_matrix(np.eye(3))
        assert not self.faults(monkeypatch, tmp_path, look, X)
        [fault] = self.faults(monkeypatch, tmp_path, change, X)
        assert "x changed" in fault

    @pytest.mark.parametrize("draw", [np.random.rand, lambda: torch.rand(1)])
    def test_generators(self, monkeypatch, tmp_path, draw):
        state = np.random.get_state(), torch.get_rng_state()
        [fault] = self.faults(monkeypatch, tmp_path, lambda x: draw())
        np.random.set_state(state[0])
        torch.set_rng_state(state[1])
        assert "generator moved" in fault

    def test_what_is_well(self, monkeypatch, tmp_path):
        def well(x):
            check_array(x)

        assert not self.faults(monkeypatch, tmp_path, well, "text")
        assert not self.faults(monkeypatch, tmp_path, lambda x: None)
