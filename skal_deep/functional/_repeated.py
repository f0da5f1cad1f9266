"""Steps that a card records once and starts as a whole."""

import threading
import warnings
from collections.abc import Callable
from typing import Any

import torch

from skal_deep.functional._card import is_cuda

# Fewer times a step are not worth recording, which takes about two.
_WORTH_RECORDING = 4
_kept = threading.local()


class Repeated:
    """A step that is done again and again; a card records it, and starts it as a whole.

    Nothing that a step makes may be used after it, nothing it does may wait for the
    card, and all that it reads and writes stays where it is.

    Parameters
    ----------
    step : callable
        Without arguments; what changes from step to step is in tensors.
    device : torch.device
        Where its tensors are.
    """

    def __init__(self, step: Callable[[], None], device: torch.device):
        self._step, self._device = step, device
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, n_times: int) -> None:
        """Do the step so many times."""
        if not is_cuda(self._device) or n_times < _WORTH_RECORDING:
            for _ in range(n_times):
                self._step()
            return
        stream, pool = _stream_and_pool(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            if self._graph is None:
                self._step()  # compiles, and makes what is made once
                n_times -= 1
                self._graph = _recorded(self._step, pool)
            for _ in range(n_times):
                self._graph.replay()
        stream.synchronize()  # nothing that it uses may go before it is done


def _recorded(step: Callable[[], Any], pool: Any) -> torch.cuda.CUDAGraph:
    """Return a step as a graph; nothing is done."""
    graph = torch.cuda.CUDAGraph()
    # other threads may do as they like meanwhile
    graph.capture_begin(pool=pool, capture_error_mode="thread_local")
    try:
        step()
    except BaseException:
        with warnings.catch_warnings():  # of a graph that is empty
            warnings.simplefilter("ignore")
            graph.capture_end()
        raise
    graph.capture_end()
    return graph


def _stream_and_pool(device: torch.device) -> tuple[torch.cuda.Stream, Any]:
    """Return where steps of this thread are recorded, and where what they make is.

    Each stream has workspaces that stay, so that there is one. Graphs with memory of
    their own would keep it from all others; a small graph that is kept holds it where
    no other does.
    """
    name = str(device)
    if not hasattr(_kept, name):
        stream, pool = torch.cuda.Stream(device), torch.cuda.graph_pool_handle()
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            number = torch.zeros(1, device=device)
            keeper = _recorded(lambda: number.add_(1), pool)
        setattr(_kept, name, (stream, pool, number, keeper))
    stream, pool, *_ = getattr(_kept, name)
    return stream, pool
