"""IDX files, the format of MNIST and its kin."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.datasets._memory import check_room

_TYPES = {
    0x08: ">u1",
    0x09: ">i1",
    0x0B: ">i2",
    0x0C: ">i4",
    0x0D: ">f4",
    0x0E: ">f8",
}
_MAX_EXPANSION = 1032  # of any byte under gzip: what its format can do at most


def read_idx(path: Path) -> NDArray[Any]:
    """Return the array of an IDX file, compressed or not.

    The file starts with two zero bytes, the type of its numbers, the number of axes,
    and the length of each as a big-endian 32-bit integer. No more is read than that
    says, whatever a compressed file would expand to.

    Use it for single files of MNIST's format; :func:`load` takes a folder of them.

    Parameters
    ----------
    path : Path
        The file, gzipped if its name ends in ".gz".

    Returns
    -------
    ndarray
        The numbers, in the type and shape that the file states.

    See Also
    --------
    load : Reads whole data sets.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skal_deep.datasets import read_idx
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    ...     read_idx(path).tolist()
    [7, 8, 9]
    """
    is_packed = path.suffix == ".gz"
    try:
        with (gzip.open if is_packed else open)(path, "rb") as file:
            return _read(file, path, path.stat().st_size, is_packed)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} is no gzip file, or is damaged or cut short: {error}."
        ) from error


def _read(file: Any, path: Path, size: int, is_packed: bool) -> NDArray[Any]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES:
        raise ValueError(f"{path} is not an IDX file.")
    n_axes, dtype = head[3], np.dtype(_TYPES[head[2]])
    axes = file.read(4 * n_axes)
    if len(axes) < 4 * n_axes:
        raise ValueError(f"{path} is cut short: it ends within its header.")
    if not 1 <= n_axes <= 4:
        raise ValueError(f"{path} is not an IDX file of images: it has {n_axes} axes.")
    shape = tuple(np.frombuffer(axes, ">u4").tolist())
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > size * (_MAX_EXPANSION if is_packed else 1):
        raise ValueError(
            f"{path} is cut short: {n_bytes:,} bytes for {shape} cannot be in its "
            f"{size:,}."
        )
    check_room(n_bytes, path)
    content = file.read(n_bytes)
    if len(content) < n_bytes:
        raise ValueError(
            f"{path} is cut short: {len(content) // dtype.itemsize} values for {shape}."
        )
    if file.read(1):
        raise ValueError(f"{path} holds more values than its shape {shape} has.")
    return np.frombuffer(content, dtype).reshape(shape)
