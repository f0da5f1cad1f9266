"""Nets that are interrupted in the middle of their training."""

import signal
import sys

from skorch.callbacks import Callback

from skal_deep.modules import MLP


def press_ctrl_c():
    """Do what Ctrl-C at a terminal does."""
    signal.raise_signal(signal.SIGINT)


def raise_in_place():
    """Do what a test, or another thread, does in place of Ctrl-C."""
    raise KeyboardInterrupt


class Interrupted(MLP):
    """Is interrupted when it is trained on its mini-batch of that number."""

    interrupt = staticmethod(press_ctrl_c)
    at = 0  # none
    n_batches = 0

    def forward(self, x):
        """Count mini-batches of training."""
        if self.training:
            Interrupted.n_batches += 1
            if Interrupted.n_batches == Interrupted.at:
                # What code changes is none of the settings that a run must keep.
                Interrupted.at = 0
                Interrupted.interrupt()
        return super().forward(x)


class interrupted:  # noqa: N801 - reads as a function
    """Interrupt the training on a mini-batch inside the block."""

    def __init__(self, at, interrupt=press_ctrl_c):
        self.settings = at, staticmethod(interrupt)

    def __enter__(self):
        Interrupted.n_batches = 0
        Interrupted.at, Interrupted.interrupt = self.settings

    def __exit__(self, *_):
        Interrupted.at = 0


class Presses(Callback):
    """Presses Ctrl-C while a callback runs."""

    def on_batch_end(self, net, training=False, **_):
        """Interrupt, as if by chance just now."""
        if training:
            press_ctrl_c()


class Stops(Callback):
    """Ends a training after some epochs, as skorch's early stopping does."""

    def __init__(self, n_epochs=2):
        self.n_epochs = n_epochs

    def on_epoch_end(self, net, **_):
        """End it."""
        if len(net.history) == self.n_epochs:
            raise KeyboardInterrupt


class Interrupt:
    """Raises KeyboardInterrupt at the n-th line that the package runs, or a part."""

    def __init__(self, n, part=""):
        self.left, self.part = n, part

    def __call__(self, frame, event, argument):
        name = frame.f_code.co_filename
        # Between the end of a block and the release of its lock a trace can raise,
        # which leaves the lock taken for good; a signal cannot come there.
        is_ours = "skal_deep" in name and self.part in name
        if not is_ours or name.endswith("_rng.py") or self.left <= 0:
            return None
        if event == "line":
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt
        return self


def interrupted_at(call, n, part=""):
    """Return whether a call was interrupted at the n-th line that it runs."""
    before = sys.gettrace()
    sys.settrace(Interrupt(n, part))
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False
