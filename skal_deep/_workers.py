"""Workers that do not outlive the process that waits for them."""

import os
import signal
import threading
import time
from functools import cache

_SECONDS = 0.5


@cache
def leave_with(parent: int) -> None:
    """End this process soon after the one that started it, however that ended.

    A process that is killed can no longer stop its workers, which would go on, and
    hold its output open. Elsewhere than in a worker of ``parent`` nothing happens.

    Parameters
    ----------
    parent : int
        Id of the process that waits for this one.
    """
    if parent == os.getpid() or not hasattr(os, "getppid") or os.name == "nt":
        return
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)  # no clean-up could reach anyone
