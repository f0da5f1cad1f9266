"""Fits and queries by several threads, on a calm machine and beside other work.

    python -m benchmarks threads [--threads 2] [--rows 20000] [--only NAME ...]
        [--out benchmarks/RESULTS.md]

Everything is done by one thread of torch and by several, by turns: by nothing else on
the machine, and beside as many processes as it has processors, each of which only
counts. numpy and scipy keep the threads that they start with. To see another state of
the code: ``PYTHONPATH=old python -P benchmarks/threads.py``.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from benchmarks._measure import provenance
from benchmarks._report import write_section
from benchmarks.embedded import strategies
from skal_deep.classifier import BayesianLinearClassifier, CapabilityError

N_FEATURES, N_CLASSES, N_LABELED, BATCH, TURNS = 128, 10, 200, 20, 3


@contextmanager
def company(n_processes):
    """Let other processes count meanwhile."""
    counting = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(counting) for _ in range(n_processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def seconds(call, n_threads):
    """Return the seconds by the clock, processor seconds and what came out."""
    torch.set_num_threads(n_threads)
    wall, processor = time.perf_counter(), time.process_time()
    found = call()
    return time.perf_counter() - wall, time.process_time() - processor, found


def by_turns(call, n_threads):
    """Return medians by one thread and by several, and whether results are equal."""
    turns = [[seconds(call, n) for n in (1, n_threads)] for _ in range(TURNS)]
    one, several = zip(*turns, strict=True)
    wall = [statistics.median(each[0] for each in some) for some in (one, several)]
    processor = [statistics.median(each[1] for each in some) for some in (one, several)]
    are_equal = all(np.array_equal(one[0][2], each[2]) for each in one + several)
    return wall, processor[1] / processor[0], are_equal


def calls(n_rows):
    """Yield names, and what is to be measured."""
    rng = np.random.default_rng(0)
    classes = rng.integers(N_CLASSES, size=n_rows)
    X = rng.standard_normal((n_rows, N_FEATURES))
    X += 0.3 * rng.normal(size=(N_CLASSES, N_FEATURES))[classes]
    X, y = X.astype(np.float32), np.where(np.arange(n_rows) < N_LABELED, classes, -1)
    clf = BayesianLinearClassifier(classes=range(N_CLASSES), random_state=0)
    known = slice(N_LABELED)
    yield "BayesianLinearClassifier, fit", lambda: clf.fit(X[known], y[known]).coef_
    clf.fit(X[known], y[known])
    for name, strategy in strategies().items():
        strategy.set_params(random_state=0)
        yield (
            name,
            lambda strategy=strategy: strategy.query(
                X, y, clf, fit_clf=False, batch_size=BATCH
            ),
        )


def line(name, call, n_threads):
    """Return a line of the table, or None where a strategy needs another classifier."""
    try:
        call()
    except CapabilityError:
        return None
    cells = []
    for n_processes in (0, os.cpu_count()):
        with company(n_processes):
            wall, processor, are_equal = by_turns(call, n_threads)
        one, several = (1000 * each for each in wall)
        ratio = wall[0] / wall[1]
        cells += [f"{one:,.0f}", f"{several:,.0f}", f"{ratio:.2f}", f"{processor:.2f}"]
    return f"| {name} | {' | '.join(cells)} | {'yes' if are_equal else 'no'} |"


def main():
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--only", nargs="+", help="names of strategies")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of few draws
    n = arguments.threads
    columns = f"ms, 1 thread | {n} | ratio | processor time"
    lines = [
        f"| what | {columns} | busy: {columns} | equal |",
        "|" + "---|" * 10,
    ]
    print(*lines, sep="\n", flush=True)
    for name, call in calls(arguments.rows):
        if arguments.only and name not in arguments.only:
            continue
        if found := line(name, call, n):
            print(found, flush=True)
            lines.append(found)
    if arguments.out:
        head = (
            f"{provenance(f'python -m benchmarks threads --threads {n}')}. "
            f"{arguments.rows:,} rows of {N_FEATURES} numbers, {N_CLASSES} classes, "
            f"{N_LABELED} labels, batches of {BATCH}; medians of {TURNS} turns by the "
            "clock. Processor time is that of several threads over that of one."
        )
        write_section(
            arguments.out, "Threads of a query", "\n".join([head, "", *lines])
        )


if __name__ == "__main__":
    main()
