"""Where the time of a query goes, over the 60,000 training images of Fashion-MNIST.

    python -m benchmarks query [--labels 1000] [--batch-size 100] [--out FILE]

A small convolutional net with Monte Carlo dropout is fitted once; then each strategy
queries all other images. The network's time is what the strategy waits for answers of
the model; the rest is checking, ordering and choosing. One thread, processor time.
"""

import argparse
import sys
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from benchmarks._measure import provenance
from benchmarks._net import make_net
from benchmarks._report import write_section
from skal_deep.classifier import MCDropoutClassifier
from skal_deep.classifier.door._as_model import as_model
from skal_deep.datasets import load
from skal_deep.modules import ConvNet
from skal_deep.pool import (
    BALD,
    Badge,
    BatchBALD,
    ClusterMargin,
    CoreSet,
    MarginSampling,
    Power,
    TypiClust,
)


class Clock:
    """Processor seconds that a model took for its answers."""

    def __init__(self):
        self.seconds = 0.0

    def model(self, clf):
        """Return the model of a classifier, with this clock at its methods."""
        model = as_model(clf)
        for name, method in vars(model).items():
            setattr(model, name, self._timed(method))
        return model

    def _timed(self, method):
        def call(*args):
            started = time.process_time()
            answer = method(*args)
            self.seconds += time.process_time() - started
            return answer

        return call


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path, help="file whose section is replaced")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = load("fashion-mnist")
    shown = np.random.default_rng(0).permutation(len(data.y))[: args.labels]
    y = np.full(len(data.y), -1)
    y[shown] = data.y[shown]
    net = make_net(ConvNet, lr=1e-3, batch_size=32, max_epochs=20)
    clf = MCDropoutClassifier(net, args.draws, classes=range(10), random_state=0)
    clf.fit(data.X, y)
    settings = {"n_samples": args.draws, "random_state": 0}
    strategies = {
        "MarginSampling": MarginSampling(random_state=0),
        "BALD": BALD(**settings),
        "PowerBALD": BALD(selection=Power(), **settings),
        "BatchBALD": BatchBALD(**settings),
        "Badge": Badge(random_state=0),
        "CoreSet": CoreSet(random_state=0),
        "ClusterMargin": ClusterMargin(random_state=0),
        "TypiClust": TypiClust(random_state=0),
    }
    lines = [
        "| strategy | s in all | s network | s the rest | share of the network |",
        "|---|---|---|---|---|",
    ]
    print(*lines, sep="\n")
    for name, strategy in strategies.items():
        clock = Clock()
        with patch("skal_deep.pool._base.as_model", clock.model):
            started = time.process_time()
            strategy.query(data.X, y, clf, False, batch_size=args.batch_size)
            seconds = time.process_time() - started
        lines.append(
            f"| {name} | {seconds:.1f} | {clock.seconds:.1f} "
            f"| {seconds - clock.seconds:.2f} | {clock.seconds / seconds:.0%} |"
        )
        print(lines[-1], flush=True)
    if args.out:
        command = " ".join(["python -m benchmarks query", *sys.argv[1:]])
        write_section(
            args.out,
            "A query over 60,000 images",
            f"{provenance(command)}. {args.labels:,} labels, a batch of "
            f"{args.batch_size}, {args.draws} draws where there are draws; the small "
            "CNN with dropout, fitted before.\nProcessor seconds; the network's are "
            "those of its answers.\n\n" + "\n".join(lines),
        )
