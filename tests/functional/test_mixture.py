"""Mixed scores: one scale, weights by stage."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional.mixture import rescale, stage_weights

NUMBERS = st.lists(st.integers(-1000, 1000), min_size=1, max_size=8)


@pytest.mark.slow
@given(NUMBERS, st.integers(1, 9), st.integers(-50, 50))
def test_the_scale_of_the_scores_does_not_matter(numbers, factor, shift):
    scores = torch.tensor(numbers, dtype=torch.float64)
    own = rescale(scores, scores)
    torch.testing.assert_close(
        rescale(factor * scores + shift, factor * scores + shift), own
    )
    assert own.min() == 0
    assert own.max() == float(len(set(numbers)) > 1)
    assert (own.diff().sign() == scores.diff().sign()).all()


def test_others_may_set_the_scale():
    among = torch.tensor([1.0, 3.0])
    torch.testing.assert_close(
        rescale(torch.tensor([0.0, 2.0, 3.0]), among), torch.tensor([-0.5, 0.5, 1.0])
    )


def test_weights_go_from_early_to_late():
    early, late = torch.tensor([2.0, 0.0]), torch.tensor([1.0, 3.0])
    for progress, expected in (
        (0.0, [1.0, 0.0]),
        (0.5, [0.625, 0.375]),
        (1.0, [0.25, 0.75]),
        (7.0, [0.25, 0.75]),
    ):
        torch.testing.assert_close(
            stage_weights(early, late, progress), torch.tensor(expected)
        )
