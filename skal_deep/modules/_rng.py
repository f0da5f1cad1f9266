"""Randomness that stays inside a block, and blocks that wait for one another."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from joblib import parallel_config
from joblib.parallel import SequentialBackend, get_active_backend

from skal_deep._devices import has_accelerator
from skal_deep._put_back import put_back
from skal_deep.modules._turns import Turns

# The global generators belong to all threads, and so do a module's hooks and flags.
# Who changes them for a while holds this lock; the same thread may take it again.
_turns = Turns()


@contextmanager
def one_thread_at_a_time() -> Iterator[None]:
    """Let no other thread into any such block meanwhile."""
    with _turns.turn():
        _turns.inside = threading.get_ident()
        yield


@contextmanager
def isolated_rng(seed: int | None = None) -> Iterator[None]:
    """Keep what happens inside from moving any global random generator.

    Training and even plain prediction draw from torch's global generator (the
    ``DataLoader`` seeds its workers from it), weights are initialised from it, and
    scikit-learn falls back on numpy's. All of them are put back at the end, also
    when an exception passes. Threads wait for one another: two blocks at a time would
    draw from each other's seeds and put back each other's states. So joblib, where it
    is told to use threads, runs one job after another inside: the block waits for the
    jobs, and jobs that train a net would wait for its end. Threads of an estimator's
    own raise ``RuntimeError`` where the block waits for them.

    An exception finds torch's modes as they were, too: Ctrl-C may hit a
    ``torch.no_grad`` inside where it begins or ends, and leave it on.

    Parameters
    ----------
    seed : int or None, default=None
        Seeds the generators inside the block. ``None`` leaves them where they are.

    Yields
    ------
    None
        Other threads wait meanwhile.

    See Also
    --------
    skal_deep.classifier.DeepClassifier : Trains and predicts inside of such a block.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules import isolated_rng
    >>> with isolated_rng(0):
    ...     first = torch.rand(2)
    >>> with isolated_rng(0):
    ...     torch.equal(first, torch.rand(2))
    True
    """
    with _turns.turn():
        _turns.inside = threading.get_ident()
        python_state = random.getstate()
        numpy_state = np.random.get_state()  # noqa: NPY002
        torch_state = torch.get_rng_state()
        cuda_states = (
            torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        )

        def restore() -> None:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
            torch.set_rng_state(torch_state)
            if cuda_states:
                torch.cuda.set_rng_state_all(cuda_states)

        with put_back(restore):
            if seed is not None:
                seed_all(seed)
            with _same_modes(), _no_threads_of_joblib():
                yield


@contextmanager
def _same_modes() -> Iterator[None]:
    """Give torch the modes of this thread back when an exception passes."""
    gradients, n_modes = torch.is_grad_enabled(), torch._C._len_torch_function_stack()
    try:
        yield
    except BaseException:
        while torch._C._len_torch_function_stack() > n_modes:
            torch._C._pop_torch_function_stack()
        torch.set_grad_enabled(gradients)
        raise


@contextmanager
def _no_threads_of_joblib() -> Iterator[None]:
    """Let jobs of joblib that would be threads run in this one, which has the lock."""
    backend, _ = get_active_backend()
    has_none = isinstance(backend, SequentialBackend)
    if has_none or not getattr(backend, "uses_threads", False):  # not each one says it
        yield
        return
    with parallel_config("sequential"):
        yield


def seed_all(seed: int) -> None:
    """Seed the global generators, inside an :func:`isolated_rng` that puts them back.

    Parameters
    ----------
    seed : int
        Of torch, NumPy and Python alike.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    if has_accelerator():
        torch.manual_seed(seed)
    else:  # for each kind of device that is not there it would print a call stack
        torch.default_generator.manual_seed(seed)


def draw_generator(seed: int, *key: int) -> torch.Generator:
    """Return the generator of a posterior draw, or of a part of one.

    It is independent of those of all other keys.
    """
    state = np.random.SeedSequence((seed, *key)).generate_state(1)
    return torch.Generator().manual_seed(int(state[0]))
