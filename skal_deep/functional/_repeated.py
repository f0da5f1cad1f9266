"""Steps that a card records once and starts as a whole."""

import threading
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
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            if self._graph is None:
                self._step()  # compiles, and makes what is made once
                n_times -= 1
                self._graph = _recorded(self._step, _pool(self._device))
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
    finally:
        graph.capture_end()
    return graph


def _pool(device: torch.device) -> Any:
    """Return where temporary tensors of recorded steps of this thread are.

    Graphs with memory of their own would keep it from all others. A small graph that
    is kept holds it where no other does.
    """
    name = str(device)
    if not hasattr(_kept, name):
        pool, number = torch.cuda.graph_pool_handle(), torch.zeros(1, device=device)
        keeper = _recorded(lambda: number.add_(1), pool)
        setattr(_kept, name, (pool, number, keeper))
    return getattr(_kept, name)[0]
