"""Rows as a net takes them: arrays, dicts of arrays, or what its own data set reads."""

from typing import Any

import numpy as np
from skorch import NeuralNet
from skorch.dataset import Dataset

from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import RowDict, is_numbers, is_objects
from skal_deep.rows._numbers import numbers


def net_rows(net: NeuralNet, X: Any) -> Any:
    """Return rows in a form that a net takes, or say what to pass.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net; it need not be initialised.
    X : object
        Rows of any kind.
    """
    if is_numbers(X):
        return X
    X = as_data(X)
    if isinstance(X, RowDict):
        return X
    if net.dataset is not Dataset:  # names of files, for example
        if len(X.shape) == 1 and not is_objects(X):  # a column of a table
            X = np.asarray(X, dtype=object)
        if is_objects(X):
            return X
    return numbers(X, who=f"The module {_module_name(net)}")


def _module_name(net: NeuralNet) -> str:
    return str(getattr(net.module, "__name__", type(net.module).__name__))
