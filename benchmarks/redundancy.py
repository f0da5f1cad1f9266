"""How much of a batch says the same thing twice: BALD's top ten against BatchBALD's.

    python -m benchmarks redundancy --data fashion-mnist --pool-size 10000

The redundancy of a batch is the share of its rows' information about the weights that
they have in common: ``1 - I(y_1 ... y_b; w) / sum_i I(y_i; w)``. It is measured on
posterior draws other than those that chose the batch.
"""

import argparse

import numpy as np
import torch

from benchmarks._net import make_net
from skal_deep.classifier import MCDropoutClassifier
from skal_deep.datasets import load
from skal_deep.evaluation import paired_difference
from skal_deep.functional import bald, batch_bald
from skal_deep.modules import MLP, ConvNet
from skal_deep.pool import BALD, BatchBALD

N_DRAWS_TO_MEASURE = 400


def redundancy(clf, rows):
    """Return the redundancy of a batch of inputs."""
    samples = torch.as_tensor(
        clf.sample_proba(rows, N_DRAWS_TO_MEASURE, 12345)
    ).double()
    picks, utilities = batch_bald(
        samples,
        len(rows),
        n_configurations=20_000,
        generator=torch.Generator().manual_seed(0),
    )
    return 1 - float(utilities[-1, picks[-1]] / bald(samples).sum())


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--pool-size", type=int, default=10_000)
    parser.add_argument("--labels", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = load(args.data)
    results = {"BALD": [], "BatchBALD": []}
    for repeat in range(args.repeats):
        rng = np.random.default_rng(repeat)
        rows = rng.permutation(len(data.y))[: args.pool_size]
        X = data.X[rows]
        y = np.where(np.arange(len(rows)) < args.labels, data.y[rows], -1)
        net = make_net(
            ConvNet if X.ndim == 4 else MLP,
            module__dropout=0.25,
            lr=1e-3,
            max_epochs=100,
            batch_size=16,
        )
        clf = MCDropoutClassifier(
            net, n_samples=100, classes=np.unique(data.y), random_state=repeat
        ).fit(X, y)
        for strategy in (BALD(random_state=0), BatchBALD(random_state=0)):
            picks = strategy.query(X, y, clf, fit_clf=False, batch_size=args.batch_size)
            results[type(strategy).__name__].append(redundancy(clf, X[picks]))
    for name, values in results.items():
        print(f"{name:>9}: redundancy {np.mean(values):.3f}", np.round(values, 3))
    difference = paired_difference(results["BALD"], results["BatchBALD"])
    print(
        f"BALD - BatchBALD: {difference.mean:+.3f} "
        f"({difference.low:+.3f} ... {difference.high:+.3f}), {difference.n} repeats"
    )
