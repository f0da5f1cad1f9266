"""Training on generated rows (BGADL), with random labels and with those of BALD.

    python -m benchmarks generated [--repeats 5] [--out benchmarks/RESULTS.md]

The digits as vectors of 64 pixels, a small net with dropout, twenty first labels
and five batches of ten. All four have the same test part, first labels and seeds in a
repeat.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch

from benchmarks._measure import provenance
from benchmarks._net import make_net
from benchmarks._report import interval, write_section
from skal_deep.classifier import (
    GenerativeAugmentationClassifier,
    MCDropoutClassifier,
)
from skal_deep.datasets import load
from skal_deep.evaluation import compare_strategies, paired_difference
from skal_deep.modules import MLP
from skal_deep.pool import BALD

TRAININGS = {
    "plain": MCDropoutClassifier,
    "generated rows": GenerativeAugmentationClassifier,
}
STRATEGIES = ("random", "BALD")
TITLE = "Training on generated rows"


def play(repeats, epochs):
    """Return a comparison for each training."""
    data = load("digits")
    X = data.X.reshape(len(data.X), -1).astype(np.float32) / float(np.max(data.X))
    net = make_net(MLP, module__dropout=0.25, lr=3e-3, max_epochs=epochs, batch_size=32)
    return {
        name: compare_strategies(
            {"BALD": BALD()},
            training(net, n_samples=20),
            X,
            data.y.astype(int),
            n_initial=20,
            batch_size=10,
            n_cycles=5,
            n_repeats=repeats,
            n_jobs=1,
            progress=False,
            random_state=0,
        )
        for name, training in TRAININGS.items()
    }


def table(found):
    """Yield the rows of the table."""
    yield (
        "| labels | training | accuracy with 20 labels | with 70 | area | area to "
        "random, plain | to BALD, plain | s a fit |"
    )
    yield "|---" * 8 + "|"
    plain = {name: found["plain"].areas(name) for name in STRATEGIES}
    overlap = found["plain"].overlap
    for strategy in STRATEGIES:
        for training, played in found.items():
            its = played.areas(strategy)
            curve = played.curve(strategy)
            gaps = [
                ""
                if training == "plain" and strategy == other
                else interval(paired_difference(its, plain[other], overlap))
                for other in STRATEGIES
            ]
            seconds = np.median(played.curve(strategy, "seconds_fit"))
            yield (
                f"| {strategy} | {training} | {curve[:, 0].mean():.3f} "
                f"| {curve[:, -1].mean():.3f} | {its.mean():.3f} | {gaps[0]} "
                f"| {gaps[1]} | {seconds:.1f} |"
            )


def main():
    """Play, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="initial='stratified' takes")
    rows = "\n".join(table(play(arguments.repeats, arguments.epochs)))
    print(rows)
    if arguments.out:
        command = f"python -m benchmarks generated --repeats {arguments.repeats}"
        text = (
            f"{provenance(command)}. Digits of 64 pixels, a small net with dropout, "
            f"{arguments.epochs} epochs, {arguments.repeats} paired repeats, 20 first "
            "labels and 5 batches of 10. Areas under the accuracy curve, differences "
            "with 95 % intervals, of one difference each. Seconds are medians on a "
            "busy machine, by the clock."
        )
        write_section(arguments.out, TITLE, f"{text}\n\n{rows}")


if __name__ == "__main__":
    main()
