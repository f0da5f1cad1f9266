"""Small comparisons to be killed and interrupted, and what must hold after it."""

import os
import signal
import sys
import time
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris
from support import MAKERS, make_net

from skal_deep import cli
from skal_deep.evaluation import compare_strategies
from skal_deep.evaluation._metrics import MEASURED
from skal_deep.evaluation.comparison._run_directory import RunDirectory
from skal_deep.pool import VAAL, Badge, BatchBALD

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
_OTHERS = {*MEASURED, "configuration", "checksum", "versions"}


def api(folder, n_jobs=1):
    """Play a comparison: training, queries, an auxiliary net, a compiled loop."""
    compare_strategies(
        {"batchbald": BatchBALD(), "vaal": VAAL(n_iterations=10), "badge": Badge()},
        MAKERS["dropout"](make_net(max_epochs=4)),
        X,
        y,
        n_repeats=1,
        n_cycles=2,
        batch_size=5,
        retrain="warm",
        run_dir=Path(folder) / "runs/api",
        n_jobs=n_jobs,
        progress=False,
        random_state=0,
    )


def command(folder, n_jobs=1):
    """Play a comparison of the command line."""
    folder = Path(folder)
    np.savez(folder / "iris.npz", X=X, y=y)
    options = "--strategies batchbald --repeats 1 --cycles 2 --epochs 5"
    options += f" --samples 4 --n-initial 6 --batch-size 5 --quiet --jobs {n_jobs}"
    arguments = ["compare", *options.split(), "--data", str(folder / "iris.npz")]
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # one repeat is too few for a verdict
        cli.main([*arguments, "--out", str(folder)])


PLAYS = {"api": api, "command": command}


def stored(folder):
    """Return all that rows on disk say, but for what differs from run to run."""
    found = {}
    for path in Path(folder).glob("runs/*"):
        run = RunDirectory(path)
        for job in run.jobs():
            found[job] = [
                {name: value for name, value in row.items() if name not in _OTHERS}
                for row in run.rows(*job)
            ]
    return found


def check(folder, whole):
    """Raise unless what is stored is a part of a whole run, bit by bit."""
    for job, rows in stored(folder).items():
        if rows != whole[job][: len(rows)]:
            raise AssertionError(f"{job}: {rows} is no part of {whole[job]}")


class Child:
    """A process that plays, and starts at once, as it need not import anything."""

    def __init__(self, play, folder, n_jobs):
        sys.stdout.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # other threads idle
            self.pid = os.fork()
        if not self.pid:
            os._exit(self._live(play, folder, n_jobs))

    def _live(self, play, folder, n_jobs):
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            play(folder, n_jobs)
        except KeyboardInterrupt:
            return 130
        except SystemExit as exit:
            return exit.code
        except BaseException:
            traceback.print_exc()
            return 1
        return 0

    def end(self, number, is_group):
        """Send a signal, wait, and return the exit code."""
        try:
            (os.killpg if is_group else os.kill)(self.pid, number)
        except ProcessLookupError:  # it has not yet got a group of its own
            os.kill(self.pid, number)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def left(self, seconds=120.0):
        """Return the processes it started that are still there after a while.

        Workers that were importing end when they have done so, which takes a while on a
        busy machine.
        """
        end = time.monotonic() + seconds
        while (alive := _of_group(self.pid)) and time.monotonic() < end:
            time.sleep(0.1)
        return alive


def _of_group(group):
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
