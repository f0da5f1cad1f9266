"""Embeddings that are missing, computed by all processes that want them."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.embedding._cache import EmbeddingCache

# Rows that are written together: what a process that is killed may lose.
_CHUNK_ROWS = 256
# A process that embeds a chunk says so; it is thought dead when it has not for so long.
_CLAIM_SECONDS = 60.0
_LONGEST_WAIT = 0.2


def share_work(
    cache: EmbeddingCache,
    wanted: list[bytes],
    compute: Callable[[Sequence[bytes]], Iterator[NDArray[np.generic]]],
    bar: Any,
) -> dict[bytes, NDArray[np.generic]]:
    """Return vectors that are missing, where other processes may be at work as well.

    Keys are split into chunks by their first bits, alike in every process. Who claims
    a chunk computes it; the others go on with the next and come back.
    """
    n_bits = max(0, (len(wanted) // _CHUNK_ROWS)).bit_length()
    chunks: dict[int, list[bytes]] = {}
    for key in wanted:
        chunks.setdefault(int.from_bytes(key[:4], "big") >> (32 - n_bits), []).append(
            key
        )
    found: dict[bytes, NDArray[np.generic]] = {}
    todo, wait = sorted(chunks), 0.01
    # Processes that start together begin at different chunks.
    shift = os.getpid() % len(todo)
    todo = todo[shift:] + todo[:shift]
    while todo:
        left = []
        for number in todo:
            with cache.claim(f"{n_bits}-{number}", _CLAIM_SECONDS) as claim:
                missing = [key for key in chunks[number] if key not in found]
                there = cache.find(missing)
                found |= there
                bar.update(len(there))
                missing = [key for key in missing if key not in there]
                if missing and claim is None:
                    left.append(number)
                if not missing or claim is None:
                    continue
                parts: list[NDArray[np.generic]] = []
                try:
                    for part in compute(missing):
                        parts.append(part)
                        claim()
                finally:  # an interrupt or a broken file loses nothing that is done
                    if parts:
                        rows_ND = np.concatenate(parts)
                        done = missing[: len(rows_ND)]
                        cache.add(done, rows_ND)
                        found |= dict(zip(done, rows_ND, strict=True))
        if len(left) == len(todo):
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
        todo = left
    return found
