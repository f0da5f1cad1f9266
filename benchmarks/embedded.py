"""What a query costs where X holds embeddings and the classifier is linear.

    python -m benchmarks embedded [--rows 100000] [--out benchmarks/RESULTS.md]

A ``BayesianLinearClassifier`` on 768 numbers a row and 100 classes is fitted to 1,000
labels, which chooses its prior in five folds, and a batch of ten is chosen among all
rows. Processor time is that of one thread; it does not hang on what else the machine
does.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks._measure import provenance
from benchmarks._report import write_section
from skal_deep.classifier import BayesianLinearClassifier
from skal_deep.pool import BALD, Badge, CoreSet, MarginSampling, PredictiveEntropy

N_FEATURES, N_CLASSES, N_LABELED, BATCH = 768, 100, 1_000, 10
STRATEGIES = [MarginSampling(), PredictiveEntropy(), BALD(), Badge(), CoreSet()]
HEAD = "| what | processor s | wall s |\n|---|---|---|"


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


def main():
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
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
