"""Repeated images: what top-k BALD loses where rows repeat themselves.

    python -m benchmarks repeated --out benchmarks/RESULTS.md

Each image is in the pool several times, its copies with a little noise, as in
"Repeated MNIST" of the BatchBALD paper. Each repeat has a pool of its own, which all
strategies share, with the first labels and the initial weights.
"""

import argparse
import os
import platform
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks._net import make_net
from benchmarks._report import interval, write_section
from skal_deep.classifier import MCDropoutClassifier
from skal_deep.datasets import load
from skal_deep.evaluation import BASELINE, compare_strategies, paired_difference
from skal_deep.modules import ConvNet
from skal_deep.pool import BALD, BatchBALD, Power

N_INITIAL = 20


def classifier():
    """Return the net and its posterior."""
    net = make_net(
        ConvNet,
        module__dropout=0.5,
        lr=1e-3,
        max_epochs=60,
        batch_size=16,
        iterator_valid__batch_size=512,
    )
    return MCDropoutClassifier(net, n_samples=25)


def strategies(n_draws):
    """Return what is compared; random sampling is always there."""
    return {
        "BALD, top-k": BALD(n_draws),
        "PowerBALD": BALD(n_draws, selection=Power()),
        "BatchBALD": BatchBALD(n_draws),
    }


def compare(args, data, repeat):
    """Return the comparison on one pool."""
    rng = np.random.default_rng(repeat)
    rows = rng.permutation(len(data.y))[: args.images]
    test = rng.permutation(len(data.y_test))[: args.test_size]
    return compare_strategies(
        strategies(args.draws),
        classifier(),
        data.X[rows],
        data.y[rows],
        X_test=data.X_test[test],
        y_test=data.y_test[test],
        n_repeats=[repeat],
        n_initial=N_INITIAL,
        batch_size=args.batch_size,
        n_cycles=(args.labels - N_INITIAL) // args.batch_size,
        n_copies=args.copies,
        run_dir=args.run_dir and args.run_dir / str(repeat),
        n_jobs=args.jobs,
        progress=False,
        random_state=0,
    )


def repetition(picked, n_images):
    """Return the share of the labels that went to an image labelled before."""
    images = np.concatenate(picked[0]) % n_images  # copies are numbered after the rows
    return 1 - len(np.unique(images)) / len(images)


def table(parts, n_images):
    """Return lines: accuracies, what they differ by, and how labels were spent."""
    whole = replace(parts[0], curves=[row for part in parts for row in part.curves])
    labels = whole.curve(BASELINE, "n_labels")[0].astype(int)
    middle = len(labels) // 2
    lines = [
        f"| strategy | {labels[middle]} labels | {labels[-1]} labels | difference to "
        "random at the end (95 %) | area under the curve | difference in area (95 %) "
        "| labels on repeated images | s queries |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in whole.strategies:
        curve, area = whole.curve(name), whole.areas(name)
        ends = paired_difference(curve[:, -1], whole.curve(BASELINE)[:, -1])
        areas = paired_difference(area, whole.areas(BASELINE))
        is_baseline = name == BASELINE
        repeated = np.mean([repetition(p.picked(name), n_images) for p in parts])
        seconds = np.median(whole.curve(name, "seconds_query").sum(1))
        lines.append(
            f"| {name} | {curve[:, middle].mean():.3f} | {curve[:, -1].mean():.3f} | "
            f"{'' if is_baseline else interval(ends)} | {area.mean():.3f} | "
            f"{'' if is_baseline else interval(areas)} | {repeated:.0%} | "
            f"{seconds:.1f} |"
        )
    pair = [whole.curve(name)[:, -1] for name in ("BatchBALD", "BALD, top-k")]
    last = paired_difference(*pair)
    lines += ["", f"BatchBALD - top-k BALD at {labels[-1]} labels: {interval(last)}."]
    return lines


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--test-size", type=int, default=2_000)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--run-dir", type=Path, help="to go on after an interruption")
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    args = parser.parse_args()
    data = load(args.data)
    parts = [compare(args, data, repeat) for repeat in range(args.repeats)]
    text = "\n".join(table(parts, args.images))
    print(text)
    if args.out:
        command = "python -m benchmarks repeated " + " ".join(sys.argv[1:])
        write_section(
            args.out,
            "Repeated images",
            f"`{command}`, {date.today()}, {platform.machine()} with {os.cpu_count()} "
            f"shared cores. {args.repeats} paired repeats, each with its own pool of "
            f"{args.images:,} images of {args.data}, each {args.copies} times (copies "
            f"with noise of a tenth of the pixels' standard deviation), "
            f"{args.test_size:,} test images; small CNN, Monte Carlo dropout, "
            f"{args.draws} draws a query, batches of {args.batch_size} from "
            f"{N_INITIAL} labels on. The last columns say which share of the labels "
            f"went to an image that had one already, and how long all queries of the "
            f"median repeat took.\n\n{text}",
        )


if __name__ == "__main__":
    main()
