"""Whole queries beside those of scikit-activeml, and what BatchBALD's inputs cost.

    python -m benchmarks whole-queries [--data DIR] [--out FILE]

The kernels' table compares what chooses alone. A user calls ``query``, which checks,
orders and hands back as well, on both sides; so the ratios here are smaller. Both sides
have the same rows, and embeddings as inputs where they choose by these. How long
BatchBALD takes depends on its draws: it skips rows that cannot win, and draws of a real
net leave more of these than draws at random do.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks._measure import cost, provenance
from benchmarks._net import make_net
from benchmarks._report import write_section
from benchmarks.kernels import draws, embeddings

CORE_SETS = [
    {"n": 50_000, "d": 512, "labeled": 1_000, "b": 100},
    {"n": 50_000, "d": 512, "labeled": 1_000, "b": 10},
    {"n": 100_000, "d": 32, "labeled": 100, "b": 10},
]
BATCH = {"s": 100, "c": 10}


def core_sets():
    """Return lines on core-set selection, by both sides' ``query``."""
    import skactiveml.pool as theirs

    import skal_deep.pool as ours

    lines = []
    for size in CORE_SETS:
        X = embeddings(**size)
        y = np.full(len(X), -1)
        y[: size["labeled"]] = 0
        seconds, picks = [], []
        for side in (ours, theirs):
            strategy = side.CoreSet(missing_label=-1, random_state=0)
            call = partial(strategy.query, X, y, batch_size=size["b"])
            picks.append(call())  # warm
            seconds.append(cost(call)[0])
        shared = len(np.intersect1d(picks[0], picks[1])) / size["b"]
        text = " ".join(f"{name}={value:,}" for name, value in size.items())
        lines.append(
            f"| CoreSet | {text} | {seconds[0]:.2f} | {seconds[1]:.2f} | "
            f"{seconds[1] / seconds[0]:.1f} x | {shared:.0%} |"
        )
        print(lines[-1], flush=True)
    return lines


def net_draws(source, n):
    """Return draws (S, N, C) of a small CNN with dropout for real images."""
    from skal_deep.classifier import MCDropoutClassifier
    from skal_deep.datasets import load
    from skal_deep.modules import ConvNet

    data = load(source)
    net = make_net(ConvNet, lr=1e-3, batch_size=32, max_epochs=20)
    clf = MCDropoutClassifier(net, BATCH["s"], classes=range(10), random_state=0)
    clf.fit(data.X[:100], data.y[:100])
    return np.asarray(clf.sample_proba(data.X[100 : 100 + n]))


def batch_balds(source):
    """Return lines on BatchBALD: one size, draws of three kinds."""
    from skal_deep.functional import batch_bald

    n = 10_000
    logits = 2 * np.random.default_rng(0).standard_normal((BATCH["s"], n, BATCH["c"]))
    at_random = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    kinds = {
        "of a linear layer whose weights vary (the kernels' table)": draws(
            n=n, **BATCH
        ),
        f"of a small CNN with dropout, 100 labels, for images of {source.name}": (
            net_draws(source, n)
        ),
        "at random, each row by itself": at_random.astype("f4"),
    }
    lines = []
    for kind, samples in kinds.items():
        given = torch.from_numpy(np.ascontiguousarray(samples))
        batch_bald(given[:, :50], 2, n_configurations=100)  # loads what is compiled

        def call(given=given):
            generator = torch.Generator().manual_seed(0)
            batch_bald(
                given,
                10,
                n_configurations=10_000,
                generator=generator,
                with_utilities=False,
            )

        lines.append(f"| {kind} | {given.shape[1]:,} | {cost(call)[0]:.2f} |")
        print(lines[-1], flush=True)
    return lines


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("fashion-mnist"))
    parser.add_argument("--out", type=Path, help="file whose section is replaced")
    args = parser.parse_args()
    torch.set_num_threads(1)
    queries, inputs = core_sets(), batch_balds(args.data)
    if args.out:
        command = " ".join(["python -m benchmarks whole-queries", *sys.argv[1:]])
        text = "\n".join(
            [
                f"{provenance(command)}. Processor seconds of `query`, "
                "without a model: the embeddings are the inputs.",
                "",
                "| strategy | size | skal_deep | scikit-activeml | ratio "
                "| equal picks |",
                "|---|---|---|---|---|---|",
                *queries,
                "",
                "BatchBALD's kernel, 100 draws, 10 classes, a batch of 10, 10,000 "
                "configurations, by where its draws come from:",
                "",
                "| draws | rows | processor seconds |",
                "|---|---|---|",
                *inputs,
            ]
        )
        write_section(args.out, "Whole queries", text)


if __name__ == "__main__":
    main()
