"""VAAL on a planted shift, by two states of the code: how well it sees it, how quickly.

    PYTHONPATH=old python -P benchmarks/planted.py old.json
    PYTHONPATH=new python -P benchmarks/planted.py new.json --against old.json

``PYTHONPATH`` says whose ``skal_deep`` is asked; ``-P`` keeps this folder out of the
way. 100 labels on digits below five, drawn anew for each seed; the area under the ROC
curve says how far up the other digits are in the order of utilities. Both states have
the same labels. Processor time is that of whole queries by one thread.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

import skal_deep
from skal_deep.pool import VAAL


def one_seed(seed, n_iterations):
    """Return the area under the curve, and the processor seconds of the query."""
    X, digit = load_digits(return_X_y=True)
    X, is_unseen = X.astype(np.float32), digit >= 5
    y = np.full(len(X), -1)
    labeled = np.random.default_rng(seed).choice(np.flatnonzero(~is_unseen), 100, False)
    y[labeled] = digit[labeled]
    strategy = VAAL(n_iterations=n_iterations, random_state=seed)
    started = time.process_time()
    utilities = strategy.query(X, y, batch_size=1, return_utilities=True)[1][0]
    seconds = time.process_time() - started
    return roc_auc_score(is_unseen[y < 0], utilities[y < 0]), seconds


def main():
    """Measure, and compare with another state."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--against", type=Path, help="file of another state")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=200, help="VAAL's default")
    args = parser.parse_args()
    torch.set_num_threads(1)
    one_seed(0, 2)  # loads what is loaded once
    found = [one_seed(seed, args.iterations) for seed in range(args.seeds)]
    args.out.write_text(json.dumps(found))
    area, seconds = np.transpose(found)
    print(
        f"{Path(skal_deep.__file__).parent}: area {area.mean():.3f}, standard error "
        f"{stats.sem(area):.3f}, median {np.median(seconds):.2f} s a query"
    )
    if args.against:
        before, longer = np.transpose(json.loads(args.against.read_text()))
        difference = area - before
        low, high = stats.t.interval(
            0.95, len(area) - 1, difference.mean(), stats.sem(difference)
        )
        print(
            f"area less that of the other: {difference.mean():+.3f} ({low:+.3f} to "
            f"{high:+.3f}, {len(area)} paired seeds); "
            f"{np.median(longer) / np.median(seconds):.2f} times as fast"
        )


if __name__ == "__main__":
    main()
