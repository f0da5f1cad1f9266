"""Small comparisons to be killed and interrupted, and what must hold after it."""

import os
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
