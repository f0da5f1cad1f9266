"""A process that starts at once, as it need not import anything, to be killed."""

import os
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path


class Forked:
    """A child that makes one call, in a group of processes of its own."""

    def __init__(self, call):
        sys.stdout.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # other threads idle
            self.pid = os.fork()
        if not self.pid:
            os._exit(self._live(call))

    def _live(self, call):
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            call()
        except KeyboardInterrupt:
            return 130
        except SystemExit as exit:
            return exit.code
        except BaseException:
            traceback.print_exc()
            return 1
        return 0

    def wait_until(self, is_reached):
        """Return as soon as that holds; raise if the child ends before."""
        while not is_reached():
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                raise AssertionError("the child has ended too early")
            time.sleep(0.01)

    def end(self, number=signal.SIGKILL, is_group=False):
        """Send a signal, wait, and return the exit code."""
        try:
            (os.killpg if is_group else os.kill)(self.pid, number)
        except ProcessLookupError:  # it has not yet got a group of its own
            os.kill(self.pid, number)
        return self.wait()

    def wait(self):
        """Return the exit code, when there is one."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def left(self, seconds=120.0):
        """Return the processes it started that are still there after a while.

        Workers that were importing end when they have done so, which takes a while on a
        busy machine.
        """
        end = time.monotonic() + seconds
        while (alive := of_group(self.pid)) and time.monotonic() < end:
            time.sleep(0.1)
        return alive


def of_group(group):
    """Return the processes of a group that run, on Linux."""
    alive = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            alive.append(int(path.parent.name))
    return alive
