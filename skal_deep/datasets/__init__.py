"""Real data sets for comparisons."""

from skal_deep.datasets._data import Data, some_rows
from skal_deep.datasets._idx import read_idx
from skal_deep.datasets._load import NAMES, load

__all__ = [
    "Data",
    "NAMES",
    "load",
    "read_idx",
    "some_rows",
]
