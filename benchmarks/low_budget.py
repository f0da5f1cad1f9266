"""The first few labels: accuracy on embeddings that need no labels.

    python -m benchmarks low-budget --repeats 20 --out benchmarks/RESULTS.md

Images are projected on their principal components and scaled to unit length. Each
strategy asks for all its labels at once, without a classifier; logistic regression or
the nearest neighbour then learns from them and is scored on the test images. Repeats
are paired: pool and seed are the same for all strategies.
"""

import argparse
import os
import platform
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from benchmarks._measure import write_section
from skal_deep.datasets import load
from skal_deep.evaluation import paired_difference
from skal_deep.pool import CoreSet, MaxHerding, ProbCover, TypiClust

N_CLASSES = 10
BASELINE = "random"


def strategies(seed):
    """Return what is compared; random sampling is the baseline."""
    return {
        "TypiClust": TypiClust(random_state=seed),
        "MaxHerding": MaxHerding(random_state=seed),
        "ProbCover": ProbCover(n_classes=N_CLASSES, random_state=seed),
        "CoreSet": CoreSet(random_state=seed),
    }


def classifiers():
    """Return what learns from the labels."""
    return {
        "logistic regression": LogisticRegression(C=10.0, max_iter=1_000),
        "1-NN": KNeighborsClassifier(1),
    }


def embeddings(source, n_components, test_size):
    """Return embeddings and labels, of the pool's images and of the test images."""
    data = load(source)
    X, y, X_test, y_test = data.X, data.y, data.X_test, data.y_test
    if X_test is None:
        X, X_test, y, y_test = train_test_split(
            X, y, test_size=test_size, random_state=0
        )
    pca = PCA(n_components, random_state=0).fit(X.reshape(len(X), -1))
    train, test = (
        normalize(pca.transform(part.reshape(len(part), -1))).astype(np.float32)
        for part in (X, X_test)
    )
    return (train, y), (test[:test_size], y_test[:test_size])


def measure(pool, test, n_labels, seed):
    """Return accuracy by strategy and classifier, and seconds by strategy."""
    X, y = pool
    rng = np.random.default_rng(seed)
    picks, seconds = {BASELINE: rng.choice(len(X), n_labels, replace=False)}, {}
    for name, strategy in strategies(seed).items():
        start = time.perf_counter()
        picks[name] = strategy.query(X, np.full(len(X), -1), batch_size=n_labels)
        seconds[name] = time.perf_counter() - start
    accuracy = {}
    for name, rows in picks.items():
        for kind, clf in classifiers().items():
            is_one_class = len(set(y[rows])) == 1  # which logistic regression refuses
            clf = KNeighborsClassifier(1) if is_one_class else clf
            accuracy[name, kind] = clf.fit(X[rows], y[rows]).score(*test)
    return accuracy, seconds


def table(accuracies, seconds, n_labels, kind):
    """Return lines of a table: mean accuracy and the paired difference to random."""
    lines = []
    for name in [BASELINE, *seconds[0]]:
        values = [a[name, kind] for a in accuracies]
        line = f"| {n_labels} | {name} | {np.mean(values):.3f} |"
        if name == BASELINE:
            lines.append(line + " | |")
            continue
        difference = paired_difference(values, [a[BASELINE, kind] for a in accuracies])
        took = np.mean([s[name] for s in seconds])
        lines.append(
            f"{line} {difference.mean:+.3f} ({difference.low:+.3f} to "
            f"{difference.high:+.3f}) | {took:.1f} |"
        )
    return lines


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--pool-size", type=int, default=10_000)
    parser.add_argument("--test-size", type=int, default=5_000)
    parser.add_argument("--components", type=int, default=50)
    parser.add_argument("--labels", type=int, nargs="+", default=[10, 20, 50])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path, help="Markdown file for the tables")
    args = parser.parse_args()
    (X, y), test = embeddings(args.data, args.components, args.test_size)
    results = {n_labels: [] for n_labels in args.labels}
    for seed in range(args.repeats):
        rows = np.random.default_rng(seed).permutation(len(X))[: args.pool_size]
        for n_labels in args.labels:
            results[n_labels].append(measure((X[rows], y[rows]), test, n_labels, seed))
    parts = []
    for kind in classifiers():
        parts += [
            f"Accuracy of {kind}:\n",
            "| labels | strategy | accuracy | difference to random (95 %) | s query |",
            "|---|---|---|---|---|",
        ]
        for n_labels in args.labels:
            parts += table(*zip(*results[n_labels], strict=True), n_labels, kind)
        parts.append("")
    text = "\n".join(parts)
    print(text)
    if args.out:
        command = "python -m benchmarks low-budget " + " ".join(sys.argv[1:])
        write_section(
            args.out,
            "Low budget",
            f"`{command}`, {date.today()}, {platform.machine()} with {os.cpu_count()} "
            f"shared cores. {args.repeats} paired repeats, {args.pool_size:,} images "
            f"of {args.data} each as the pool, {args.components} principal components, "
            f"{len(test[1]):,} test images, no label before the query.\n\n{text}",
        )
