"""What a query costs where X holds embeddings and the classifier is linear.

    python -m benchmarks embedded [--rows 100000] [--out benchmarks/RESULTS.md]
    python -m benchmarks embedded --all [--only NAME ...] [--out ...]

A ``BayesianLinearClassifier`` on 768 numbers a row and 100 classes is fitted to 1,000
labels, which chooses its prior in five folds, and a batch of ten is chosen among all
rows. Processor time is that of one thread; what else the machine does makes it longer,
but less than the time on the clock.

With ``--all`` every strategy of the package is measured, with its defaults, each in a
process of its own that has loaded compiled loops before. Memory is what a query needs
beside X.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from benchmarks import every
from benchmarks._measure import cost, in_fresh_process, provenance
from benchmarks._report import write_section
from skal_deep.classifier import BayesianLinearClassifier, CapabilityError
from skal_deep.pool import (
    BALD,
    Badge,
    BatchEPIG,
    CoreSet,
    MarginSampling,
    PredictiveEntropy,
    SwitchStrategy,
    TypiClust,
)

N_FEATURES, N_CLASSES, N_LABELED, BATCH = 768, 100, 1_000, 10
STRATEGIES = [MarginSampling(), PredictiveEntropy(), BALD(), Badge(), CoreSet()]
HEAD = "| what | processor s | wall s |\n|---|---|---|"
# The promise, and when a process is ended.
PROMISED, MOST_SECONDS, MOST_BYTES = 10, 60, 12 * 2**30
# Rows, and labels, with which a process loads what it needs before it is measured.
N_TRIED, N_TRIED_LABELS = 300, 200


def embeddings(n_rows):
    """Return rows of a hundred classes, and the labels of the first thousand."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(N_CLASSES, N_FEATURES)).astype(np.float32)
    y = rng.integers(N_CLASSES, size=n_rows)
    X = 0.3 * centers[y]
    X += rng.standard_normal(size=X.shape, dtype=np.float32)
    return X, np.where(np.arange(n_rows) < N_LABELED, y, -1)


def timed(call):
    """Return processor and wall seconds."""
    processor, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - processor, time.perf_counter() - wall


def strategies():
    """Return all strategies by name, with their defaults."""
    changed = "BatchEPIG", "SwitchStrategy"
    found = {n: s for n, s in every.strategies().items() if not n.startswith(changed)}
    found["BatchEPIG"] = BatchEPIG()
    switched = SwitchStrategy(TypiClust(), MarginSampling())
    found["SwitchStrategy(TypiClust(), MarginSampling())"] = switched
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def measure(name, n_rows):
    """Return processor seconds and MiB of fitting and a query, or words why not."""
    X, y = embeddings(n_rows)
    clf = BayesianLinearClassifier(classes=range(N_CLASSES), random_state=0)
    strategy = strategies()[name].set_params(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few draws
        try:
            few = np.where(np.arange(N_TRIED) < N_TRIED_LABELS, y[:N_TRIED], -1)
            strategy.query(X[:N_TRIED], few, clf, batch_size=BATCH)
        except CapabilityError:
            return f"needs {every.TRAINED_BY.get(name, 'another classifier')}"
        return cost(lambda: strategy.query(X, y, clf, batch_size=BATCH))


def all_lines(names, n_rows):
    """Yield the lines of the table of all strategies."""
    yield f"| strategy | processor s, fit and query | MiB | under {PROMISED} s |"
    yield "|---|---|---|---|"
    for name in names:
        answer = in_fresh_process(
            measure, name, n_rows, cpu_seconds=MOST_SECONDS, max_bytes=MOST_BYTES
        )
        if isinstance(answer, tuple):
            seconds, mib = answer
            verdict = "yes" if seconds < PROMISED else "no"
            yield f"| {name} | {seconds:.1f} | {mib:,.0f} | {verdict} |"
        elif answer.startswith("needs"):
            yield f"| {name} | {answer} | | |"
        else:
            what = {"time": f"more than {MOST_SECONDS}"}.get(answer, answer)
            yield f"| {name} | {what} | | no |"


def measure_all(arguments):
    """Measure every strategy, print and write."""
    lines = []
    for line in all_lines(arguments.only or strategies(), arguments.rows):
        print(line, flush=True)
        lines.append(line)
    if arguments.out:
        command = "python -m benchmarks embedded --all"
        if arguments.only:
            command += " --only " + " ".join(f'"{name}"' for name in arguments.only)
        text = (
            f"{provenance(command)}. {arguments.rows:,} rows of {N_FEATURES} numbers, "
            f"{N_CLASSES} classes, {N_LABELED:,} labels, "
            f"batches of {BATCH}, BayesianLinearClassifier, defaults of all but for "
            "what names say. Processor seconds of one thread, for the fit and one "
            "query; MiB beside X."
        )
        title = "Every strategy on embeddings"
        write_section(arguments.out, title, "\n".join([text, "", *lines]))


def main():
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--all", action="store_true", help="measure every strategy")
    parser.add_argument("--only", nargs="+", help="with --all: names of strategies")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.all:
        measure_all(arguments)
        return
    X, y = embeddings(arguments.rows)
    clf = BayesianLinearClassifier(classes=range(N_CLASSES), random_state=0)
    measured = {"fit": timed(lambda: clf.fit(X[y >= 0], y[y >= 0]))}
    for strategy in STRATEGIES:
        strategy.set_params(random_state=0)
        measured[f"{type(strategy).__name__}, fit and query"] = timed(
            lambda strategy=strategy: strategy.query(X, y, clf, batch_size=BATCH)
        )
    lines = [f"| {name} | {p:.1f} | {w:.1f} |" for name, (p, w) in measured.items()]
    table = "\n".join([HEAD, *lines])
    print(table)
    if arguments.out:
        command = f"python -m benchmarks embedded --rows {arguments.rows}"
        text = (
            f"{provenance(command)}. Embeddings of {N_FEATURES} numbers a row, "
            f"{len(X):,} rows, {N_CLASSES} classes; {N_LABELED:,} labels, batches of "
            f"{BATCH}, BayesianLinearClassifier."
        )
        write_section(
            arguments.out, "Embeddings and a linear classifier", f"{text}\n\n{table}"
        )


if __name__ == "__main__":
    main()
