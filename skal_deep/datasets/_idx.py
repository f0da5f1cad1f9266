"""IDX files, the format of MNIST and its kin."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {
    0x08: ">u1",
    0x09: ">i1",
    0x0B: ">i2",
    0x0C: ">i4",
    0x0D: ">f4",
    0x0E: ">f8",
}


def read_idx(path: Path) -> NDArray[Any]:
    """Return the array of an IDX file, compressed or not.

    The file starts with two zero bytes, the type of its numbers, the number of axes,
    and the length of each as a big-endian 32-bit integer.

    Parameters
    ----------
    path : Path
        The file, gzipped if its name ends in ".gz".
    """
    content = (
        gzip.decompress(path.read_bytes())
        if path.suffix == ".gz"
        else (path.read_bytes())
    )
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError(f"{path} is not an IDX file.")
    n_axes = content[3]
    shape = np.frombuffer(content, ">u4", n_axes, offset=4)
    values = np.frombuffer(content, _TYPES[content[2]], offset=4 + 4 * n_axes)
    if values.size != np.prod(shape):
        raise ValueError(f"{path} is cut short: {values.size} values for {shape}.")
    return values.reshape(shape.astype(int))
