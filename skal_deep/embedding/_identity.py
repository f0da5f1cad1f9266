"""What an embedding depends on, as digests: the content of a row, the model."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.identity._code import code_of
from skal_deep.identity._values import plain

KEY_BYTES = 16
# A change of what the stored numbers mean gives every model another folder.
_FORMAT = "2"


def content_key(kind: str, *parts: bytes) -> bytes:
    """Return the key of a row: a digest of its kind and content, of 16 bytes."""
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in (kind.encode(), *parts):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def array_key(row: NDArray[Any]) -> bytes:
    """Return the key of a row of numbers, by shape, type and value."""
    row = np.ascontiguousarray(row)
    row = row.astype(row.dtype.newbyteorder("<"), copy=False)
    return content_key("array", f"{row.shape}{row.dtype.str}".encode(), row.tobytes())


def row_key(row: Any) -> bytes:
    """Return the key of a row: a text, an array, or a dict of arrays."""
    if isinstance(row, str):
        return content_key("text", row.encode("utf-8", "surrogatepass"))
    if isinstance(row, bytes):
        return content_key("bytes", row)
    if isinstance(row, Mapping):
        names = sorted(row)
        return content_key(
            "dict", *(part for n in names for part in (n.encode(), row_key(row[n])))
        )
    return array_key(np.asarray(row))


def model_key(backbone: Any, version: str, **settings: Any) -> str:
    """Return the name of the folder for a model: a digest of all that decides it.

    Parameters
    ----------
    backbone : object
        The model. Weights, buffers, attributes, hooks and the user's code count.
    version : str
        What the user says decides the result of what cannot be looked into.
    **settings : object
        What else decides the numbers: transforms, sizes, type.
    """
    opaque: list[str] = []
    decides = {"backbone": backbone, **settings}
    told = {
        name: plain(value, is_whole=True, opaque=opaque)
        for name, value in sorted(decides.items())
    }
    code = code_of(*decides.values(), opaque=opaque)
    if opaque and not version:
        raise ValueError(
            f"What {', '.join(sorted(set(opaque)))} computes cannot be told from its "
            "attributes, so that embeddings kept on disk could be those of another "
            "model: give version='...', a text that you change when its results change."
        )
    text = json.dumps([_FORMAT, version, told, code], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=KEY_BYTES).hexdigest()
