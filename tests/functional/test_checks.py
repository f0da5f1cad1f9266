"""Numbers that are none are named, and all arrays are read at once."""

import math

import pytest
import torch

from skal_deep.functional._checks import check_finite, check_rows

ROWS = torch.tensor([[1.0, -3.0], [2.0, 0.5]])


@pytest.fixture
def reads(monkeypatch):
    """A list that grows by one for each read of a tensor."""
    done, tolist = [], torch.Tensor.tolist
    monkeypatch.setattr(
        torch.Tensor, "tolist", lambda some: done.append(1) or tolist(some)
    )
    return done


def test_the_largest_of_each_is_read_at_once(reads):
    assert check_finite(a=ROWS, b=ROWS[:0], c=-ROWS[1]) == {"a": 3, "b": 0, "c": 2}
    assert len(reads) == 1
    assert check_rows({"a": 5 * ROWS}, b=ROWS) == {"a": 15, "b": 3}
    assert len(reads) == 2
    assert check_finite() == {}


def test_types_may_differ():
    given = {"half": ROWS.half(), "whole": torch.tensor([100_000, -5]), "b": ROWS > 0}
    assert check_finite(**given) == {"half": 3, "whole": 100_000, "b": 1}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_first_that_is_no_number_is_named(number, dtype):
    wrong = torch.tensor([1.0, number], dtype=dtype)
    for check in (check_finite, lambda **arrays: check_rows(arrays, rows=ROWS)):
        with pytest.raises(ValueError, match=r"^b holds NaN or infinite values"):
            check(a=ROWS, b=wrong, c=wrong)


def test_others_need_no_squares():
    """They are probabilities, for instance, and small errors of these."""
    check_rows({"errors": 1e-30 * ROWS}, rows=ROWS)
    with pytest.raises(ValueError, match=r"largest value of rows is 3\.0e-30"):
        check_rows({"errors": ROWS}, rows=1e-30 * ROWS)
