"""Fingerprints of data: equal for equal data, different for all others."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder
from torch import nn

from skal_deep.evaluation.comparison._estimator_text import format_estimator
from skal_deep.identity._values import fingerprint, plain

BIG = np.arange(3000.0)
BIG_TOO = BIG.copy()
BIG_TOO[1500] = -1  # numpy's text leaves this element out
TABLE = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def objects(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


A, B = {"a": BIG}, {"a": BIG_TOO}
DIFFERENT = {
    "dicts with other data": [A, B, {"b": BIG}, A | {"b": 1}],
    "keys": [{1: BIG}, {"1": BIG}],
    "objects that hold arrays": [objects(BIG, 1), objects(BIG_TOO, 1)],
    "nested": [[{"a": [BIG]}], [{"a": [BIG_TOO]}], [{"a": [BIG, BIG]}]],
    "ragged": [[[1, 2], [3]], [[1], [2, 3]], [[1, 2], [4]]],
    "words": [objects("a", "b"), objects("b", "a"), objects("ab", ""), objects(b"a")],
    "what looks alike": [
        objects(1, 2), objects("1", "2"), objects(1.0, 2.0), objects(True, 2),
        objects(None, 2), objects("None", 2), objects(np.nan, 2), objects("nan", 2),
        objects(pd.NA, 2), objects("<NA>", 2),
    ],
    "tables": [
        TABLE, TABLE.rename(columns={"a": "c"}), TABLE[["b", "a"]],
        TABLE.assign(a=[1, 3]), TABLE.assign(a=[1.0, 2.0]), TABLE.assign(b=["x", "z"]),
        TABLE.assign(b=TABLE.b.astype("category")), TABLE.to_numpy(),
        TABLE.assign(b=pd.Categorical(["x", "y"], ["y", "x"])),
    ],
    "sparse": [
        sparse.eye_array(3), 2 * sparse.eye_array(3), sparse.eye_array(3, k=1),
        sparse.eye_array(4, 3), np.eye(3),
    ],
    "types and shapes": [
        np.arange(6), np.arange(6.0), np.arange(6).reshape(2, 3),
        np.arange(6).reshape(3, 2), np.arange(6, dtype=np.int32),
        np.float64(3), np.array(3),
    ],
    "dates": [np.array(["2020-01-01"], "M8[D]"), np.array(["2020-01-02"], "M8[D]")],
    "records": [
        np.array([(1, 2)], [("a", "i4"), ("b", "i4")]),
        np.array([(1, 2)], [("b", "i4"), ("a", "i4")]),
        np.array([(1, 3)], [("a", "i4"), ("b", "i4")]),
    ],
    "lists of tensors": [
        [torch.zeros(2), torch.ones(3)], [torch.zeros(2), torch.zeros(3)],
        [torch.zeros(2, requires_grad=True)], [torch.ones(2, requires_grad=True)],
    ],
    "masked": [
        np.ma.masked_array([1, 2], [0, 1]), np.ma.masked_array([1, 2], [1, 0]),
        np.array([1, 2]),
    ],
    "masks alone": [  # whatever a masked element is filled with
        np.ma.masked_array([0, 0], [0, 1]), np.ma.masked_array([0, 0], [1, 0]),
        np.ma.masked_array([0, 0], [1, 1]), np.array([0, 0]),
        np.ma.masked_array([0, 999999], [0, 0]), np.array([0, 999999]),
    ],
    "tensors": [
        torch.zeros(2, dtype=torch.bfloat16), torch.zeros(2), torch.ones(2),
        torch.eye(2).to_sparse(), torch.eye(2), 2 * torch.eye(2).to_sparse(),
    ],
}  # fmt: skip


@pytest.mark.parametrize("values", DIFFERENT.values(), ids=DIFFERENT)
def test_other_data_have_another_fingerprint(values):
    for one, two in combinations(values, 2):
        assert fingerprint(one) != fingerprint(two), (one, two)


@pytest.mark.parametrize("values", DIFFERENT.values(), ids=DIFFERENT)
def test_equal_data_have_the_same(values):
    import copy

    for value in values:
        assert fingerprint(copy.deepcopy(value)) == fingerprint(value)


def test_where_and_how_data_lie_does_not_count(tmp_path):
    array = np.random.default_rng(0).normal(size=(50, 3))
    np.save(tmp_path / "array.npy", array)
    wanted = fingerprint(array)
    for same in (
        np.asfortranarray(array),
        np.load(tmp_path / "array.npy", mmap_mode="r"),
        np.repeat(array, 2, axis=0)[::2],
        torch.from_numpy(array),
        array.tolist(),
    ):
        assert fingerprint(same) == wanted
    matrix = sparse.random_array((5, 4), density=0.5, rng=0)
    for kind in ("csr", "csc", "coo", "lil", "dok"):
        assert fingerprint(matrix.asformat(kind)) == fingerprint(matrix)
    assert fingerprint(TABLE.set_index(pd.Index([5, 6]))) == fingerprint(TABLE)
    assert fingerprint(pd.DataFrame(TABLE, copy=True)) == fingerprint(TABLE)


class Plain:
    """An object whose text says nothing."""

    def __init__(self, value):
        self.value = value


class TestValues:
    def test_what_objects_hold_counts(self):
        assert plain(Plain(BIG)) == plain(Plain(BIG.copy()))
        assert plain(Plain(BIG)) != plain(Plain(BIG_TOO))
        for make in (np.random.RandomState, np.random.default_rng):
            assert plain(make(0)) == plain(make(0))
            assert plain(make(0)) != plain(make(1))
        assert plain({1: 2}) != plain({"1": 2})
        assert plain(b"ab") != plain(b"ba")
        assert plain(TABLE) != plain(TABLE.rename(columns={"a": "c"}))

    def test_attributes_of_modules_count(self):
        one, two = nn.Linear(1, 1), nn.Linear(1, 1)
        two.load_state_dict(one.state_dict())
        assert plain(one) == plain(two)
        two.temperature = 2.0
        assert plain(one) != plain(two)

    def test_what_holds_itself_is_no_endless_loop(self):
        from skal_deep.evaluation.comparison._configuration import configuration_of

        cycle = Plain(None)
        cycle.value = cycle
        assert configuration_of(LogisticRegression(C=cycle))["C"]


class TestText:
    def test_it_is_whole(self):
        text = format_estimator(
            LogisticRegression(class_weight={i: i / 7 for i in range(300)})
        )
        assert "..." not in text
        assert "299: 42.714285714285715" in text
        assert format_estimator(LogisticRegression()) == "LogisticRegression()"
        assert format_estimator(Plain(1)) == format_estimator(Plain(2))
        assert " at 0x" not in format_estimator(Plain(1))

    @pytest.mark.parametrize("kind", [np.float64, np.int8, pd.DataFrame, torch.Tensor])
    def test_classes_are_names(self, kind):
        text = format_estimator(OneHotEncoder(dtype=[kind]))
        assert text.endswith(f"[{kind.__name__}])")
        assert plain(kind).endswith(f".{kind.__name__}")
        assert fingerprint(kind) != fingerprint(np.float32)
