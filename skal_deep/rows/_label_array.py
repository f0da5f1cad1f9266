"""Labels as arrays, in which one mark alone says that there is none."""

import unicodedata
import warnings
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skactiveml.utils import is_labeled

from skal_deep.rows._as_data import array_of_tensor
from skal_deep.rows._data import is_table

_NO_VALUE = ("NAType", "NaTType")  # pandas's, which need not be installed
_EXACT = 2**53  # from here on float64 merges neighbours
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))  # have no width


def label_array(y: Any, missing_label: Any) -> NDArray[Any]:
    """Return labels as an array, with ``missing_label`` where there is no value.

    What pandas holds as missing is missing, and so are NaN and None among words or
    other objects. Whole numbers stay whole, whatever their size.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels: an array, a list, a column of pandas.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    """
    if np.ndim(missing_label):
        raise TypeError(
            "missing_label must be a number, a string or None, not an object of type "
            f"{type(missing_label).__name__}."
        )
    array = _objects_or_plain(y)
    if not array.ndim:
        raise ValueError(
            "y should be a 1d array, one label a row, not an object of type "
            f"{type(y).__name__}."
        )
    if array.dtype.kind in "mMV":
        raise ValueError(
            f"Labels are whole numbers, truth values or words, not {array.dtype}."
        )
    if array.dtype.kind == "T":  # of NumPy's strings of any length
        array = array.astype(object)
    if array.dtype.kind == "O" and array.ndim < 3:
        shape = array.shape  # several targets have gaps, too
        array = _without_gaps(array.ravel(), missing_label).reshape(shape)
        _check_no_nul(array)
    if array.ndim != 1:
        return array
    if array.dtype.kind == "u":
        if len(array) and int(array.max()) > np.iinfo(np.int64).max:
            raise ValueError(
                f"Labels of type {array.dtype} beyond those of int64 cannot be told "
                "apart beside missing_label: pass them as words, with "
                "missing_label=None."
            )
        array = array.astype(np.int64)
    if array.dtype.kind == "i" and isinstance(missing_label, float | np.floating):
        _check_exact(array)
    return array


def _check_no_nul(labels: NDArray[Any]) -> None:
    for label in labels.flat:
        if isinstance(label, str) and label.endswith("\0"):
            raise ValueError(
                f"The label {label!r} ends with the character NUL, which NumPy leaves "
                "out, so that it would be another label: strip it."
            )


def check_no_nan(y: NDArray[Any], missing_label: Any) -> None:
    """Raise if NaN stands among classes, where something else marks a missing label.

    It would be taken for a class of its own.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels, from :func:`label_array`.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    """
    is_nan = isinstance(missing_label, Real) and missing_label != missing_label
    if y.dtype.kind == "f" and not is_nan and np.isnan(y).any():
        raise ValueError(
            "y has NaN among its labels: where it marks unknown labels, pass "
            f"missing_label=np.nan, not {missing_label!r}."
        )


def vector(y: Any) -> Any:
    """Return a column of labels as a vector, and anything else as it is."""
    shape = np.shape(y)
    return np.asarray(y)[:, 0] if len(shape) == 2 and shape[1] == 1 else y


def _objects_or_plain(y: Any) -> NDArray[Any]:
    """Return an array of objects where numpy's own type would lose something."""
    if isinstance(y, np.ma.MaskedArray):  # what is masked is no value
        if not np.ma.is_masked(y):
            return np.asarray(y)
        objects: NDArray[Any] = y.data.astype(object)
        objects[np.ma.getmaskarray(y)] = None
        return objects
    if isinstance(y, np.ndarray):
        return y
    if isinstance(y, torch.Tensor):
        return array_of_tensor(y, "y")
    if is_table(y) and len(y.shape) == 2:
        return _of_table(y)
    if hasattr(y, "to_pylist"):  # of pyarrow, whose gaps would be the number NaN
        return np.array(y.to_pylist(), dtype=object)
    dtype = getattr(y, "dtype", None)
    if dtype is not None and (not isinstance(dtype, np.dtype) or dtype.kind == "f"):
        return np.asarray(y, dtype=object)  # of pandas, where NaN is no value
    array = np.asarray(y)
    if array.dtype.kind in "US" and array.ndim == 1:  # NaN would be the word "nan"
        objects = np.asarray(y, dtype=object)
        if not all(isinstance(label, str | bytes) for label in objects):
            return objects
        _check_no_nul(objects)
    return array


def _of_table(y: Any) -> NDArray[Any]:
    """Return the columns of a table as objects, None or NaN where there is no value."""
    if not hasattr(y, "column_names"):
        return np.asarray(y, dtype=object)
    array = np.empty(y.shape, dtype=object)  # of pyarrow
    for at, column in enumerate(y.columns):
        array[:, at] = column.to_pylist()
    return array


def _without_gaps(array: NDArray[Any], missing_label: Any) -> NDArray[Any]:
    """Return objects as an array of their own kind, gaps at ``missing_label``."""
    array = array.copy()
    array[:] = [_number(label) for label in array]
    gap = np.array([_is_gap(label) for label in array], dtype=bool)
    known = narrowed(array[~gap])
    if known.ndim > 1 or (known.dtype.kind == "O" and _lack_order(known)):
        raise TypeError(
            f"y has labels of the kind {_kind(array[~gap][0])}: make them words or "
            "numbers."
        )
    if missing_label is None or isinstance(missing_label, str):
        if known.dtype.kind == "O" and (kinds := _kinds(known)) and len(kinds) > 1:
            raise TypeError(
                f"y has labels of several kinds ({', '.join(kinds)}), which have no "
                "common order: make them all words, or all numbers."
            )
        if isinstance(missing_label, str) and known.dtype.kind == "U":
            width = np.result_type(known, np.array(missing_label))
            filled = np.full(len(array), missing_label, width)
        elif not gap.any():
            return known if known.dtype.kind in "biuf" else array
        else:
            filled = np.full(len(array), missing_label, dtype=object)
    elif not len(known):
        filled = np.full(len(array), missing_label)
    elif known.dtype.kind == "U":
        raise TypeError(
            f"missing_label={missing_label!r} cannot stand among words: pass "
            "missing_label=None, which NaN and other gaps count as, too."
        )
    elif known.dtype.kind not in "biuf":
        filled = np.full(len(array), missing_label, dtype=object)
    else:
        if known.dtype.kind in "iu" and isinstance(missing_label, float | np.floating):
            _check_exact(known)
        filled = np.full(
            len(array), missing_label, np.result_type(known, np.array(missing_label))
        )
    filled[~gap] = known.tolist()
    return filled


def narrowed(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels that stand as objects, all of one kind, as an array of that kind.

    scikit-learn takes no objects but words.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Labels, none of which is missing.
    """
    if labels.dtype.kind != "O" or not len(labels) or len(_kinds(labels)) > 1:
        return labels
    return np.array(labels.tolist())


def _number(label: Any) -> Any:
    """Return a decimal number, or a fraction, as one that NumPy knows."""
    if not isinstance(label, Decimal | Fraction):
        return label
    value = float(label)
    return int(label) if value.is_integer() else value


def _is_gap(label: Any) -> bool:
    if label is None or type(label).__name__ in _NO_VALUE:
        return True
    return isinstance(label, float | np.floating) and bool(np.isnan(label))


def _lack_order(labels: NDArray[Any]) -> bool:
    """Return whether labels of one kind cannot be sorted, as classes are."""
    if len(_kinds(labels)) > 1:
        return False
    try:
        max(labels.tolist(), default=None)
    except TypeError:
        return True
    return False


def _kinds(labels: NDArray[Any]) -> list[str]:
    """Return the kinds of objects: truth values, numbers, words, or their types."""
    return sorted({_kind(label) for label in labels})


def _kind(label: Any) -> str:
    for kind, types in (
        ("truth values", bool | np.bool_),
        ("numbers", int | float | np.integer | np.floating),
        ("words", str),
    ):
        if isinstance(label, types):
            return kind
    return type(label).__name__


def _check_exact(labels: NDArray[Any]) -> None:
    if len(labels) and max(abs(int(labels.max())), abs(int(labels.min()))) >= _EXACT:
        raise ValueError(
            "Labels from 2**53 up would be merged beside missing_label=nan, that is, "
            "as floats: pass another missing_label, such as -1."
        )


def warn_of_classes(y: NDArray[Any], missing_label: Any, classes: Any) -> None:
    """Warn if labels show one class only, or two that look alike.

    Not where somebody has said what the classes are.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels, with missing ones.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    classes : array-like of shape (n_classes,), or None
        All classes, if they are known.
    """
    if classes is not None:
        return
    if said := one_class(y, missing_label):
        warnings.warn(
            f"{said} Pass all `classes` if there are others.", UserWarning, stacklevel=4
        )
    warn_of_look_alikes(y, stacklevel=5)


def warn_of_look_alikes(y: NDArray[Any], stacklevel: int = 4) -> None:
    """Warn if two labels are words that look alike.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels.
    stacklevel : int, default=4
        Of the warning.
    """
    if y.dtype.kind in "UO" and y.ndim == 1 and (said := look_alikes(y.tolist())):
        warnings.warn(said, UserWarning, stacklevel=stacklevel)


def look_alikes(labels: Iterable[Any]) -> str | None:
    """Return what to say if two words look alike, else nothing.

    They differ in the form of Unicode, or in blanks, or in what has no width.

    Parameters
    ----------
    labels : iterable of object
        Labels; only words are looked at.
    """
    first: dict[str, str] = {}
    for word in sorted({label for label in labels if isinstance(label, str)}):
        seen = unicodedata.normalize("NFC", word.translate(_UNSEEN))
        other = first.setdefault(" ".join(seen.split()), word)
        if other != word:
            return (
                f"The labels {other!a} and {word!a} look alike and are two "
                "classes. If they are one, write them alike, such as by "
                "unicodedata.normalize('NFC', word).strip()."
            )
    return None


def one_class(y: NDArray[Any], missing_label: Any) -> str | None:
    """Return what to say if labels show one class only, else nothing.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels, with missing ones.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    """
    known = y[is_labeled(y, missing_label)]
    if y.ndim != 1 or not len(known) or (known != known[0]).any():
        return None
    said = f"All labels are {known[:1].tolist()[0]!r}: there is one class only."
    if n_missing := len(y) - len(known):
        said += (
            f" {n_missing} of {len(y)} rows hold missing_label={missing_label!r} and "
            "count as unlabelled; if that is a class, pass another missing_label."
        )
    return said
