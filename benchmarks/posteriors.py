"""Every posterior: how good its probabilities are, what BALD makes of it, its cost.

    python -m benchmarks posteriors --out benchmarks/RESULTS.md

All have the same net and, in a repeat, the same split, first labels and, by random
sampling, the same labels to the end: there the quality of their probabilities is
compared. BALD then chooses by the draws of each.
"""

import argparse
import os
import platform
import sys
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks._net import make_net
from benchmarks._report import interval, write_section
from skal_deep.classifier import (
    BayesByBackpropClassifier,
    DeepClassifier,
    DeepEnsembleClassifier,
    EvidentialClassifier,
    LaplaceClassifier,
    MCDropoutClassifier,
    MultiHeadClassifier,
    MultiViewClassifier,
    SnapshotEnsembleClassifier,
    SWAClassifier,
    SWAGClassifier,
    VariationalLastLayerClassifier,
)
from skal_deep.datasets import load
from skal_deep.evaluation import BASELINE, compare_strategies, paired_difference
from skal_deep.modules import MLP
from skal_deep.pool import BALD, DEAL, MarginSampling

EPOCHS = 80
NONE = "none (point estimate)"
METRICS = ("accuracy", "neg_log_loss", "neg_ece")


def posteriors():
    """Return by name: the classifier, a strategy, epochs of training, passes."""
    net = make_net(MLP, module__dropout=0.25, lr=3e-3, max_epochs=EPOCHS, batch_size=32)
    bald, n = BALD(), EPOCHS
    shared = n // 5
    return {
        NONE: (DeepClassifier(net), MarginSampling(), n, "1"),
        "MC dropout, 50 draws": (MCDropoutClassifier(net), bald, n, "50"),
        "deep ensemble of 5": (DeepEnsembleClassifier(net), bald, 5 * n, "5"),
        "ensemble of 5, a fifth of the epochs shared": (
            DeepEnsembleClassifier(net, shared_epochs=shared),
            bald,
            shared + 5 * (n - shared),
            "5",
        ),
        "snapshots, 5": (SnapshotEnsembleClassifier(net), bald, n, "5"),
        "heads, 5": (MultiHeadClassifier(net), bald, n, "1"),
        "views of the layers, 3": (MultiViewClassifier(net), bald, n, "1"),
        "SWAG, 30 draws": (SWAGClassifier(net), bald, n + 20, "30"),
        "last-layer Laplace, 100 draws": (LaplaceClassifier(net), bald, n, "1"),
        "stochastic ensemble, 5 of 10 draws": (
            DeepEnsembleClassifier(net, n_dropout_draws=10),
            bald,
            5 * n,
            "50",
        ),
        "Bayes by backprop, 30 draws": (BayesByBackpropClassifier(net), bald, n, "30"),
        "variational last layer, 100 draws": (
            VariationalLastLayerClassifier(net),
            bald,
            n,
            "1",
        ),
        "weight averaging (SWA), no draws": (
            SWAClassifier(net),
            MarginSampling(),
            n + 20,
            "1",
        ),
        "evidential": (EvidentialClassifier(net), DEAL(), n, "1"),
    }


def row(name, comparison, baseline, strategy, epochs, passes):
    """Return a line of the table."""
    [chosen] = comparison.strategies[1:]
    accuracy, loss, error = (
        abs(comparison.curve(BASELINE, metric)[:, -1]) for metric in METRICS
    )
    gain = paired_difference(loss, baseline, comparison.overlap)
    area = comparison.difference(chosen)
    seconds_fit, seconds_query = (
        np.median(comparison.curve(chosen, column).sum(1))
        for column in ("seconds_fit", "seconds_query")
    )
    return (
        f"| {name} | {accuracy.mean():.3f} | {loss.mean():.3f} "
        f"| {interval(gain) if gain.sd else ''} | {error.mean():.3f} "
        f"| {type(strategy).__name__} | {comparison.curve(chosen)[:, -1].mean():.3f} "
        f"| {interval(area)} | {epochs / EPOCHS:.1f} | {passes} "
        f"| {seconds_fit:.1f} | {seconds_query:.1f} |"
    )


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--only", nargs="+", help="names of rows, instead of all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cycles", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    args = parser.parse_args()
    data = load(args.data)
    lines = [
        "| posterior | accuracy | NLL | NLL less none's (95 %) | ECE | strategy "
        "| accuracy at the end | area less random's (95 %) | trainings | passes "
        "| s fits | s queries |",
        "|---" * 12 + "|",
    ]
    print(*lines, sep="\n")
    baseline = None
    chosen = posteriors()
    if args.only:
        chosen = {NONE: chosen[NONE]} | {name: chosen[name] for name in args.only}
    for name, (clf, strategy, *cost) in chosen.items():
        comparison = compare_strategies(
            {"chosen": strategy},
            clf,
            data.X,
            data.y,
            n_repeats=args.repeats,
            n_initial=20,
            batch_size=10,
            n_cycles=args.cycles,
            scoring=METRICS,
            n_jobs=args.jobs,
            progress=False,
            random_state=0,
        )
        if baseline is None:
            baseline = -comparison.curve(BASELINE, "neg_log_loss")[:, -1]
        lines.append(row(name, comparison, baseline, strategy, *cost))
        print(lines[-1], flush=True)
    if args.out:
        command = "python -m benchmarks posteriors " + " ".join(sys.argv[1:])
        n_labels = 20 + 10 * args.cycles
        write_section(
            args.out,
            "Posteriors",
            f"`{command}`, {date.today()}, {platform.machine()} with {os.cpu_count()} "
            f"shared cores. {args.repeats} paired repeats on {args.data}, an MLP with "
            f"dropout of 0.25, {EPOCHS} epochs. Accuracy, negative log-likelihood "
            f"(NLL, nats) and expected calibration error (ECE) are with {n_labels} "
            "labels drawn at random, the same for all. The strategy chooses "
            f"{args.cycles} batches of 10 by the posterior beside it, and is compared "
            "with random sampling under the same posterior. Trainings are epochs over "
            "those of one net, passes those of a prediction; seconds are the median "
            "repeat's, for all trainings and all queries.\n\n" + "\n".join(lines),
        )


if __name__ == "__main__":
    main()
