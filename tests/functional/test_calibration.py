"""The expected calibration error."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import expected_calibration_error


def brute_force(confidence, is_right, n_bins):
    error, edges = 0.0, np.linspace(0, 1, n_bins + 1)
    for low, high in pairwise(edges):
        in_bin = (confidence > low) & (confidence <= high)
        if in_bin.any():
            gap = is_right[in_bin].mean() - confidence[in_bin].mean()
            error += in_bin.mean() * abs(gap)
    return error


def test_by_hand():
    confidence = torch.tensor([0.9, 0.9, 0.6, 1.0], dtype=torch.float64)
    is_right = torch.tensor([True, False, True, True])
    # bins (0.8, 1]: |2/3 - 2.8/3| * 3/4; (0.4, 0.6]: 0.4 * 1/4
    error = expected_calibration_error(confidence, is_right, n_bins=5)
    torch.testing.assert_close(error, torch.tensor(0.3, dtype=torch.float64))


def test_border_cases():
    one = torch.ones(3, dtype=torch.float64)
    assert expected_calibration_error(one, one > 0) == 0
    assert expected_calibration_error(one, one < 0) == 1
    assert expected_calibration_error(0 * one, one > 0) == 1


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.floats(0.001, 1), st.booleans()), min_size=1, max_size=50),
    st.sampled_from([1, 2, 4, 16]),  # their edges are exact
)
def test_brute_force(pairs, n_bins):
    confidence, is_right = (np.array(values) for values in zip(*pairs, strict=True))
    error = expected_calibration_error(
        torch.as_tensor(confidence), torch.as_tensor(is_right), n_bins
    )
    np.testing.assert_allclose(error, brute_force(confidence, is_right, n_bins))
    assert 0 <= error <= 1 + 1e-12
