"""Learned selectors: what their training costs, and whether a predicted loss ranks.

    python -m benchmarks learned --out benchmarks/RESULTS.md

A query of each selector on all images, with a small conv net where it asks a model; and
how losses that ``LossPredictionClassifier`` predicts rank beside the true losses of
other images, and how the entropy does.
"""

import argparse
import os
import platform
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks._net import make_net
from benchmarks._report import interval, write_section
from skal_deep.classifier import LossPredictionClassifier, WassersteinClassifier
from skal_deep.datasets import load
from skal_deep.evaluation import paired_difference
from skal_deep.functional import entropy
from skal_deep.modules import ConvNet
from skal_deep.pool import (
    DAAL,
    DAL,
    MAL,
    SRAAL,
    TAVAAL,
    VAAL,
    WAAL,
    JointSampling,
    LearningLoss,
)

SELECTORS = (VAAL, TAVAAL, SRAAL, JointSampling, MAL, DAL, DAAL, LearningLoss, WAAL)


def classifier(strategy, seed, args):
    """Return the classifier that a selector asks."""
    net = make_net(ConvNet, lr=1e-3, max_epochs=args.epochs, batch_size=32)
    cls = WassersteinClassifier if strategy is WAAL else LossPredictionClassifier
    return cls(net, classes=range(10), random_state=seed)


def labels_of(y_true, n_labels, seed):
    """Return labels of random rows, -1 elsewhere."""
    rows = np.random.default_rng(seed).permutation(len(y_true))[:n_labels]
    y = np.full(len(y_true), -1)
    y[rows] = y_true[rows]
    return y


def query_row(strategy, X, y_true, args):
    """Return a line of the table of times."""
    y = labels_of(y_true, args.labels, 0)
    start = time.process_time()
    clf = classifier(strategy, 0, args).fit(X, y)
    middle = time.process_time()
    strategy(random_state=0).query(X, y, clf, fit_clf=False, batch_size=100)
    end = time.process_time()
    return f"| {strategy.__name__} | {middle - start:.0f} | {end - middle:.0f} |"


def rank_correlations(X, y_true, X_test, y_test, seed, args):
    """Return Spearman's correlations with the true losses, and whose they are."""
    y = labels_of(y_true, args.labels, seed)
    known = y >= 0
    clf = classifier(LearningLoss, seed, args).fit(X[known], y[known])
    proba = torch.as_tensor(clf.predict_proba(X_test))
    loss = -proba[torch.arange(len(proba)), torch.as_tensor(y_test)].log()
    return {
        "predicted loss": spearmanr(clf.predict_loss(X_test), loss).statistic,
        "entropy": spearmanr(entropy(proba), loss).statistic,
    }


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fashion-mnist", help="a name or a folder")
    parser.add_argument("--only", nargs="*", help="selectors to time, instead of all")
    parser.add_argument("--pool-size", type=int, default=60_000)
    parser.add_argument("--test-size", type=int, default=5_000)
    parser.add_argument("--labels", type=int, default=1_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="Markdown file for the tables")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data, n = load(args.data), args.test_size
    X, y = data.X[: args.pool_size], data.y[: args.pool_size].astype(int)
    X_test, y_test = data.X_test[:n], data.y_test[:n].astype(int)
    lines = ["| order by | Spearman with the true loss | less the entropy's (95 %) |"]
    lines += ["|---|---|---|"]
    found = [
        rank_correlations(X, y, X_test, y_test, seed, args)
        for seed in range(args.repeats)
    ]
    baseline = [each["entropy"] for each in found]
    for name in found[0]:
        ranks = [each[name] for each in found]
        lowest = f"{np.mean(ranks):.2f}, lowest {min(ranks):.2f}"
        gain = interval(paired_difference(ranks, baseline))
        lines.append(f"| {name} | {lowest} | {'' if name == 'entropy' else gain} |")
    lines += ["", "| selector | s fit | s query |", "|---|---|---|"]
    print(*lines, sep="\n")
    for strategy in SELECTORS:
        if args.only is None or strategy.__name__ in args.only:
            lines.append(query_row(strategy, X, y, args))
            print(lines[-1], flush=True)
    if args.out:
        write_section(
            args.out,
            "Learned selectors",
            f"`python -m benchmarks learned {' '.join(sys.argv[1:])}`, {date.today()}, "
            f"{platform.machine()} with {os.cpu_count()} shared cores, one thread. "
            f"{args.labels:,} random labels, a small conv net, {args.epochs} epochs. "
            f"First the rank correlation of predicted and true losses of {n:,} test "
            f"images, {args.repeats} repeats. Then the processor time of a query of "
            f"100 of {len(X):,} images with the defaults of each selector; the fit of "
            "the classifier, which the query reads, is beside it.\n\n"
            + "\n".join(lines),
        )


if __name__ == "__main__":
    main()
