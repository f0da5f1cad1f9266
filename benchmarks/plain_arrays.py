"""How long queries on plain arrays take, by two states of the code.

    PYTHONPATH=old python -P benchmarks/plain_arrays.py old.json
    PYTHONPATH=new python -P benchmarks/plain_arrays.py new.json --against old.json

``PYTHONPATH`` says whose ``skal_deep`` is asked; ``-P`` keeps this folder out of the
way. A file keeps the least processor time of all runs that wrote to it: call both lines
by turns, some times, as a machine is not equally fast at all times. Nets are fitted
before, so that times are those of queries; the two states may fit other nets.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from skorch import NeuralNetClassifier

from skal_deep.classifier import MCDropoutClassifier
from skal_deep.modules import MLP
from skal_deep.pool import BALD, Badge, BatchBALD, CoreSet, MarginSampling

SIZES, N_FEATURES, N_CLASSES, N_LABELED, BATCH, DRAWS = (
    (1_000, 10_000),
    32,
    10,
    100,
    10,
    20,
)


def strategies():
    """Return strategies by name."""
    return {
        "MarginSampling": MarginSampling(random_state=0),
        "BALD": BALD(n_samples=DRAWS, random_state=0),
        "BatchBALD": BatchBALD(n_samples=DRAWS, random_state=0),
        "Badge": Badge(random_state=0),
        "CoreSet": CoreSet(random_state=0),
    }


def least_times():
    """Return the least processor time of each query, in milliseconds."""
    net = NeuralNetClassifier(
        MLP,
        module__n_features=N_FEATURES,
        module__n_classes=N_CLASSES,
        max_epochs=10,
        lr=0.01,
        optimizer=torch.optim.Adam,
        train_split=None,
        verbose=0,
    )
    rng, found = np.random.default_rng(0), {}
    for n_rows in SIZES:
        X = rng.normal(size=(n_rows, N_FEATURES)).astype(np.float32)
        classes = (X @ rng.normal(size=(N_FEATURES, N_CLASSES))).argmax(axis=1)
        y = np.where(np.arange(n_rows) < N_LABELED, classes, -1)
        clf = MCDropoutClassifier(net, n_samples=DRAWS, classes=range(N_CLASSES))
        clf.set_params(random_state=0).fit(X, y)
        for name, strategy in strategies().items():
            times = []
            for _ in range(40_000 // n_rows):
                start = time.process_time()
                strategy.query(X, y, clf, fit_clf=False, batch_size=BATCH)
                times.append(1000 * (time.process_time() - start))
            found[f"{name}, {n_rows:,} rows"] = min(times)
    return found


def main():
    """Measure, keep what is least, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--against", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    found = least_times()
    known = json.loads(args.out.read_text()) if args.out.exists() else found
    found = {name: min(ms, known[name]) for name, ms in found.items()}
    args.out.write_text(json.dumps(found))
    if args.against is None:
        return
    before = json.loads(args.against.read_text())
    print("| query | ms, before | ms, after | ratio |\n|---|---|---|---|")
    for name, ms in found.items():
        print(f"| {name} | {before[name]:.1f} | {ms:.1f} | {ms / before[name]:.2f} |")


if __name__ == "__main__":
    main()
