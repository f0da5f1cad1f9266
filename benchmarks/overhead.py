"""What a comparison costs beyond its trainings and queries.

    python -m benchmarks overhead [--repeats 10] [--rounds 15]

Six strategies on the digits with the command line's net, in one process, with a run
directory and four metrics. Time is that of the clock, for the whole and for its parts,
so that the shares hold on a noisy machine.
"""

import argparse
import tempfile
import time

import numpy as np
from sklearn.datasets import load_digits

from skal_deep import cli
from skal_deep.evaluation import compare_strategies
from skal_deep.evaluation._metrics import MEASURED

METRICS = ["accuracy", "balanced_accuracy", "neg_log_loss", "neg_ece"]


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    defaults = cli.build_parser().parse_args(["compare"])
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        comparison = compare_strategies(
            defaults.strategies,
            cli.estimator(defaults, X),
            X,
            y,
            n_repeats=args.repeats,
            n_initial=defaults.n_initial,
            batch_size=defaults.batch_size,
            n_cycles=args.rounds,
            scoring=METRICS,
            run_dir=folder,
            random_state=0,
        )
        whole = time.perf_counter() - started
    parts = {
        column.removeprefix("seconds_"): sum(row[column] for row in comparison.curves)
        for column in MEASURED
        if column.startswith("seconds_")
    }
    parts["rest"] = whole - sum(parts.values())
    needed = parts["fit"] + parts["query"]
    for name, seconds in parts.items():
        print(f"{name:>6} {seconds:9.2f} s {seconds / needed:8.2%} of fits and queries")


if __name__ == "__main__":
    main()
