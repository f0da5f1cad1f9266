"""Real data sets for comparisons."""

from skal_deep.datasets._data import Data, some_rows
from skal_deep.datasets._idx import read_idx
from skal_deep.datasets._image_files import ImageFiles
from skal_deep.datasets._load import NAMES, load

__all__ = [
    "Data",
    "ImageFiles",
    "NAMES",
    "load",
    "read_idx",
    "some_rows",
]
