"""Randomness that stays inside a block."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def isolated_rng(seed: int | None = None) -> Iterator[None]:
    """Keep what happens inside from moving any global random generator.

    Training and even plain prediction draw from torch's global generator (the
    ``DataLoader`` seeds its workers from it), weights are initialised from it, and
    scikit-learn falls back on numpy's. All of them are put back at the end, also
    when an exception passes.

    Parameters
    ----------
    seed : int or None, default=None
        Seeds the generators inside the block. ``None`` leaves them where they are.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=list(cuda)):
            if seed is not None:
                random.seed(seed)
                np.random.seed(seed % 2**32)  # noqa: NPY002
                torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


def draw_generator(seed: int, draw: int) -> torch.Generator:
    """Return the generator of one posterior draw, independent of all other draws."""
    state = np.random.SeedSequence((seed, draw)).generate_state(1)
    return torch.Generator().manual_seed(int(state[0]))
