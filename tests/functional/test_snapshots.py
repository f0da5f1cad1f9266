"""The learning rate of snapshot ensembles."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional.snapshots import cosine_cycles

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "posteriors.npz")


def test_golden_rates():
    factors, ends = cosine_cycles(10, 2)
    np.testing.assert_allclose(0.2 * np.array(factors), GOLDEN["F_snapshot_lr"])
    assert ends == [5, 10]


@given(st.integers(1, 60), st.integers(1, 60))
def test_cycles_share_the_steps(n_steps, n_cycles):
    if n_cycles > n_steps:
        with pytest.raises(ValueError, match="must lie in"):
            cosine_cycles(n_steps, n_cycles)
        return
    factors, ends = cosine_cycles(n_steps, n_cycles)
    assert len(factors) == n_steps
    assert ends[-1] == n_steps
    lengths = np.diff([0, *ends])
    assert np.ptp(lengths) <= 1
    starts = [0, *ends[:-1]]
    assert all(factors[start] == 1 for start in starts)
    for start, end in zip(starts, ends, strict=True):
        assert (np.diff(factors[start:end]) < 0).all()
        assert factors[end - 1] > 0
