"""Classifiers that learn from unlabelled rows, beside the supervised net.

    python -m benchmarks ssl --repeats 5 --out benchmarks/RESULTS.md
    python -m benchmarks ssl --repeats 5 --mix-match

In a repeat, all have the same net, the same pool and the same labels, drawn at random
but equally over the classes. Active learning is one more arm: the supervised net with
as many labels, chosen in batches by margin sampling. ``--mix-match`` compares MixMatch
alone with the supervised net: with its defaults, and with the whole weight of guesses
within such a short training, where one part after another is left out.
"""

import argparse
import os
import platform
import sys
import time
from datetime import date
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.base import clone

from benchmarks._net import make_net
from benchmarks._report import interval, write_section
from skal_deep.classifier import (
    DeepClassifier,
    EntropyMinimizingClassifier,
    FixMatchClassifier,
    LabelPropagationClassifier,
    MixMatchClassifier,
    PseudoLabelClassifier,
)
from skal_deep.datasets import load
from skal_deep.evaluation import paired_difference
from skal_deep.modules import ConvNet
from skal_deep.pool import MarginSampling

N_CLASSES = 10
BASELINE = "supervised"
ACTIVE = "supervised, labels by margin sampling"
N_START = 20  # random labels before the first of four queries


def shifted(x):
    """Return images shifted by up to two pixels, each by itself."""
    n, _, height, width = x.shape
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2)).permute(0, 2, 3, 1)
    down, right = torch.randint(0, 5, (2, n, 1, 1))
    rows = torch.arange(height)[:, None] + down
    columns = torch.arange(width) + right
    return padded[torch.arange(n)[:, None, None], rows, columns].permute(0, 3, 1, 2)


def holed(x):
    """Return shifted images with a square of nine pixels a side cut out."""
    n, _, height, width = x.shape
    row, column = torch.randint(0, height, (2, n, 1, 1))
    is_in = (torch.arange(height)[:, None] - row).abs() < 5
    is_in = is_in & ((torch.arange(width) - column).abs() < 5)
    return shifted(x).masked_fill(is_in[:, None], 0.0)


def classifiers(seed, epochs):
    """Return what is compared; the supervised net is the baseline."""
    net = make_net(ConvNet, lr=1e-3, max_epochs=epochs, batch_size=32)
    params = {"classes": range(N_CLASSES), "random_state": seed}
    return {
        BASELINE: DeepClassifier(net, **params),
        "supervised, shifts": DeepClassifier(net, augment=shifted, **params),
        "PseudoLabel": PseudoLabelClassifier(net, **params),
        "LabelPropagation": LabelPropagationClassifier(net, **params),
        "EntropyMinimizing": EntropyMinimizingClassifier(net, **params),
        "FixMatch": FixMatchClassifier(
            net, strong=holed, weak=shifted, unlabeled_ratio=3, **params
        ),
        "MixMatch": MixMatchClassifier(net, augment=shifted, **params),
    }


def mix_match(seed, epochs):
    """Return MixMatch with its defaults, and with parts left out of a short ramp."""
    arms = classifiers(seed, epochs)
    short = clone(arms["MixMatch"]).set_params(n_ramp_steps=320)
    changes = {
        "": {},
        ", not sharpened": {"temperature": 1.0},
        ", hardly mixed": {"mixing": 0.01},
        ", weight of 5": {"unlabeled_weight": 5.0},
        ", guesses of one view": {"n_views": 1},
    }
    return {name: arms[name] for name in (BASELINE, "MixMatch")} | {
        f"MixMatch, ramp of 320 steps{words}": clone(short).set_params(**change)
        for words, change in changes.items()
    }


def spread(y_true, n_labels):
    """Return labels for the first rows of each class, -1 elsewhere."""
    y = np.full(len(y_true), -1)
    for label in range(N_CLASSES):
        y[np.flatnonzero(y_true == label)[: n_labels // N_CLASSES]] = label
    return y


def chosen(X, y_true, n_labels, clf, seed):
    """Return labels of which all but the first are asked for by margin sampling."""
    y, n_each = spread(y_true, N_START), (n_labels - N_START) // 4
    for _ in range(4):
        picks = MarginSampling(random_state=seed).query(X, y, clf, batch_size=n_each)
        y[picks] = y_true[picks]
    return y


def measure(data, seed, args):
    """Return accuracy, processor seconds and the rarest prediction's share by name."""
    torch.set_num_threads(1)
    X, y, X_test, y_test = data
    rows = np.random.default_rng(seed).permutation(len(X))[: args.pool_size]
    X, y_true = X[rows], y[rows]
    results = {}
    y = spread(y_true, args.labels)
    arms = (mix_match if args.mix_match else classifiers)(seed, args.epochs)
    for name, clf in arms.items():
        start = time.process_time()
        clf.fit(X, y)
        seconds = time.process_time() - start
        said = clf.predict(X_test)
        rarest = np.bincount(said, minlength=N_CLASSES).min() / len(said)
        results[name] = np.mean(said == y_test), seconds, rarest
    if args.mix_match:
        return results
    start = time.process_time()
    y = chosen(X, y_true, args.labels, arms[BASELINE], seed)
    said = arms[BASELINE].fit(X, y).predict(X_test)
    seconds = time.process_time() - start
    rarest = np.bincount(said, minlength=N_CLASSES).min() / len(said)
    results[ACTIVE] = np.mean(said == y_test), seconds, rarest
    return results


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--pool-size", type=int, default=1_100)
    parser.add_argument("--test-size", type=int, default=5_000)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--mix-match", action="store_true", help="MixMatch alone")
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    args = parser.parse_args()
    data = load(args.data)
    n = args.test_size
    parts = data.X, data.y.astype(int), data.X_test[:n], data.y_test[:n].astype(int)
    results = joblib.Parallel(args.jobs)(
        joblib.delayed(measure)(parts, seed, args) for seed in range(args.repeats)
    )
    lines = [
        "| training | accuracy | difference to the supervised net (95 %) | s fit "
        "| rarest prediction |",
        "|---" * 5 + "|",
    ]
    baseline = [result[BASELINE][0] for result in results]
    for name in results[0]:
        scores, seconds, rarest = zip(*(r[name] for r in results), strict=True)
        gain = paired_difference(scores, baseline)
        text = "" if name == BASELINE else interval(gain)
        lines.append(
            f"| {name} | {np.mean(scores):.3f} | {text} | {np.median(seconds):.1f} "
            f"| {np.mean(rarest):.3f} |"
        )
    print(*lines, sep="\n")
    if args.out:
        write_section(
            args.out,
            "Training with unlabelled rows",
            f"`python -m benchmarks ssl {' '.join(sys.argv[1:])}`, {date.today()}, "
            f"{platform.machine()} with {os.cpu_count()} shared cores. {args.repeats} "
            f"paired repeats on {args.data}: {args.pool_size:,} images, {args.labels} "
            f"of them labelled, equally over the classes, {n:,} test images; a small "
            f"conv net with dropout, {args.epochs} epochs over the labelled rows, Adam "
            "(PseudoLabel and LabelPropagation train as many again with the labels "
            "that they guess). Defaults but for FixMatch's unlabeled_ratio=3. Changes "
            "of images: shifts by up to "
            "two pixels; FixMatch's strong ones cut out a square, too. The last row "
            f"has {N_START} labels at random and four batches by margin sampling, and "
            "its seconds are those of all five trainings and queries. Seconds are "
            "processor time, medians; the rarest prediction is the mean share of the "
            "class that is predicted least, of ten equally common ones.\n\n"
            + "\n".join(lines),
        )


if __name__ == "__main__":
    main()
