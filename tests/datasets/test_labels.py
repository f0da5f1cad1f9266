"""Labels of files, kept apart as the user wrote them."""

import re

import numpy as np
import pytest

from skal_deep.datasets import load
from skal_deep.datasets._labels import as_labels


def write(tmp_path, lines, header="a,label"):
    path = tmp_path / "table.csv"
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    return path


def of_csv(tmp_path, labels):
    data = load(write(tmp_path, [f"{i},{label}" for i, label in enumerate(labels)]))
    return data.y.tolist(), data.class_names


@pytest.mark.parametrize(
    "labels",
    [
        ["9007199254740992", "9007199254740993"],
        ["12345678901234567890123", "12345678901234567890124"],
        ["9" * 5000, "9" * 4999 + "8"],
        ["18446744073709551615", "18446744073709551614"],
        ["01", "1"],
        ["1e1", "10"],
        ["1_0", "10"],
        ["+1", "1"],
        ["0", "-0"],
        ["1.0", "1"],
        ["1.00", "1.0"],
        ["\u0661", "1"],
        ["Cat", "cat"],
        ["True", "1"],
        ["inf", "Infinity"],
    ],
    ids=lambda labels: "-".join(label[:24] for label in labels),
)
def test_labels_that_differ_stay_apart(tmp_path, labels):
    y, names = of_csv(tmp_path, labels + labels)
    assert y[:2] == y[2:]
    assert y[0] != y[1]
    if names is not None:
        assert [names[i] for i in y[:2]] == labels
    else:
        assert y[:2] == list(map(int, labels))


@pytest.mark.parametrize(
    "labels",
    [
        ["cafe\u0301", "caf\xe9"],
        ["\u1112\u1161\u11ab", "\ud55c"],
        ["a", "a "],
        ["a b", "a\xa0b"],
        ["cat", "cat\u200b"],
    ],
    ids=ascii,
)
def test_labels_that_look_alike_stay_apart_and_are_told(tmp_path, labels):
    with pytest.warns(UserWarning, match="table.csv: The labels .* look alike"):
        y, names = of_csv(tmp_path, labels + labels)
    assert [names[i] for i in y] == labels + labels


def test_folders_that_look_alike_are_told(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name in ("cafe\u0301", "caf\xe9"):
        (tmp_path / name).mkdir()
        image.new("L", (4, 4)).save(tmp_path / name / "a.png")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system holds them for one")
    for files in (True, False):
        with pytest.warns(UserWarning, match="look alike"):
            assert len(load(tmp_path, files=files).class_names) == 2


def test_whole_numbers_stay_what_they_are(tmp_path):
    assert of_csv(tmp_path, ["7", "-3", "7"]) == ([7, -3, 7], None)
    assert of_csv(tmp_path, ["2.0", "-3.0", "2.0"]) == ([2, -3, 2], None)
    largest = 2**63 - 1
    assert of_csv(tmp_path, [str(largest), "0"]) == ([largest, 0], None)


@pytest.mark.parametrize("blank", ["", "  ", "nan", "NaN", "<NA>", "N/A", "null"])
@pytest.mark.parametrize(
    ("labels", "y"), [(["jay", "owl"], [0, 1]), (["3", "5"], [3, 5])]
)
def test_no_value_is_no_class(tmp_path, blank, labels, y):
    with pytest.warns(UserWarning, match=r"1 of 3 rows of .*table.csv have no label"):
        found, names = of_csv(tmp_path, [labels[0], blank, labels[1]])
    assert found == [y[0], -1, y[1]]
    assert names in (None, ("jay", "owl"))


def test_no_value_beside_the_label_that_marks_it_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the label -1.*give it another number"):
        of_csv(tmp_path, ["1", "-1", ""])


def test_no_label_at_all_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"No row of .* has a label"):
        of_csv(tmp_path, ["", "nan"])


@pytest.mark.parametrize("values", [["0.5", "1.5", "2"], ["1e-3", "2", "3"]])
def test_targets_of_a_regression_are_no_classes(tmp_path, values):
    with pytest.raises(ValueError, match=r"not whole.*regression"):
        of_csv(tmp_path, values)
    with pytest.raises(ValueError, match=r"not whole.*regression"):
        as_labels(np.array(values, float))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_that_merge_whole_numbers_are_refused(dtype):
    first = round(1 / np.finfo(dtype).epsneg)  # the next whole number is rounded to it
    y = np.array([first, first - 1], dtype)
    with pytest.raises(ValueError, match=f"too large for {np.dtype(dtype).name}"):
        as_labels(y)
    assert as_labels(y - 1)[0].tolist() == [first - 1, first - 2]


def test_arrays_of_other_kinds(tmp_path):
    assert as_labels(np.array([True, False]))[0].tolist() == [1, 0]
    y, names = as_labels(np.array([2**64 - 1, 2**64 - 2], np.uint64))
    assert (y.tolist(), names) == ([1, 0], (str(2**64 - 2), str(2**64 - 1)))
    assert as_labels(np.array([b"owl", b"jay"]))[1] == ("jay", "owl")
    with pytest.raises(ValueError, match="UTF-8"):
        as_labels(np.array([b"\xff"]))
    for y in (np.array([1j]), np.array(["2020-01-01"], "M8[D]")):
        with pytest.raises(ValueError, match=re.escape(f"type {y.dtype}")):
            as_labels(y)
    with pytest.raises(ValueError, match=r"shape \(2, 3\).*argmax"):
        as_labels(np.eye(3)[:2])
    with pytest.warns(UserWarning, match="1 of 2 rows of y have no label"):
        assert as_labels(np.array([np.nan, 4]))[0].tolist() == [-1, 4]


def test_numbers_of_two_types_in_one_file_stay_apart(tmp_path):
    big = 2**53
    path = tmp_path / "ids.npz"
    y, y_test = np.array([big, big + 1]), np.array([big, big + 1], np.uint64)
    np.savez(path, X=np.eye(2), y=y, X_test=np.eye(2), y_test=y_test)
    data = load(path)
    assert data.y.tolist() == data.y_test.tolist() == [big, big + 1]


@pytest.mark.parametrize("y_test", [np.array(["1", "0"]), np.array([1.0, 0.0])])
def test_labels_of_two_kinds_in_one_file_are_refused(tmp_path, y_test):
    path = tmp_path / "ids.npz"
    np.savez(path, X=np.eye(2), y=np.array([1, 0]), X_test=np.eye(2), y_test=y_test)
    with pytest.raises(ValueError, match="both must be of one kind"):
        load(path)
