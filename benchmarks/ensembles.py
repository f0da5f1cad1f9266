"""Whether it pays to train the members of an ensemble in one batched pass.

    python -m benchmarks ensembles [--repeats 3] [--out benchmarks/RESULTS.md]
    python -m benchmarks ensembles --drift [--out benchmarks/RESULTS.md]

The members of a ``DeepEnsembleClassifier`` are trained one after another, in one pass
(``batched=True``), and one after another by bare steps without skorch, which keep no
history and call no callbacks: they say how much of the gain is that of batching. The
second form says how far round-off takes the members of one pass away from those that
are trained one after another, as epochs go by.
"""

import argparse
import itertools
import statistics
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits

from benchmarks._measure import provenance
from benchmarks._net import make_net
from benchmarks._report import write_section
from skal_deep.classifier import DeepEnsembleClassifier, _deep_ensemble
from skal_deep.classifier.net._stacked_training import batch_orders
from skal_deep.modules import MLP, ConvNet

MODULES = {"MLP": MLP, "conv net": ConvNet}
OPTIMISERS = {
    "SGD": {"optimizer": torch.optim.SGD, "lr": 0.1},
    "Adam": {"optimizer": torch.optim.Adam, "lr": 1e-3},
}
MOMENTUM = {"optimizer": torch.optim.SGD, "lr": 0.02, "optimizer__momentum": 0.9}
EPOCHS = {100: 30, 1000: 6}
HEAD = """| net | labels | batch | members | s skorch | bare | batched | batched, wall | bare: difference | batched: difference |
|---|---|---|---|---|---|---|---|---|---|"""  # noqa: E501
DRIFT_HEAD = "| net | 1 epoch | 10 epochs | 50 epochs |\n|---|---|---|---|"


def train_bare(net, X, y, _weight):
    """Train a net as skorch does, without skorch."""
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    net.module_.train()
    for epoch in batch_orders(net, len(y), torch.get_rng_state()):
        for rows in epoch:
            net.optimizer_.zero_grad()
            net.get_loss(net.module_(X[rows]), y[rows]).backward()
            net.optimizer_.step()


def fit_bare(clf, X, y):
    """Fit an ensemble by bare steps."""
    with mock.patch.object(_deep_ensemble, "train_net", train_bare):
        return clf.fit(X, y)


def fit_batched(clf, X, y):
    """Fit an ensemble in one pass."""
    return clf.set_params(batched=True).fit(X, y)


def fit_plain(clf, X, y):
    """Fit an ensemble one member after another."""
    return clf.fit(X, y)


def measured(clf, X, y, n_labels, repeats):
    """Return seconds (processor, wall) of each way, and how far predictions are off."""
    ways = (fit_plain, fit_bare, fit_batched)
    seconds, probas = {way: [] for way in ways}, []
    for _ in range(repeats):
        for way in ways:  # in turn, so that a busy machine is busy for all
            begun = time.process_time(), time.perf_counter()
            fitted = way(clone(clf), X[:n_labels], y[:n_labels])
            ended = time.process_time(), time.perf_counter()
            seconds[way].append(np.subtract(ended, begun))
            if len(probas) < len(ways):
                probas.append(fitted.sample_proba(X, random_state=0))
    medians = [
        [statistics.median(column) for column in zip(*seconds[way], strict=True)]
        for way in ways
    ]
    return np.array(medians), [np.abs(p - probas[0]).max() for p in probas[1:]]


def digits(module):
    """Return the digits in the shape that a module takes, and their classes."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    return (X.reshape(-1, 1, 8, 8) if module is ConvNet else X), y


def ensemble(module, n_estimators, **params):
    """Return an unfitted ensemble of nets without dropout."""
    net = make_net(module, module__dropout=0.0, **params)
    return DeepEnsembleClassifier(net, n_estimators, random_state=0)


def speed(repeats):
    """Yield the lines of the table of seconds."""
    cases = itertools.product(MODULES, OPTIMISERS, EPOCHS, (32, 128), (5, 10))
    for name, kind, n_labels, size, n in cases:
        clf = ensemble(
            MODULES[name],
            n,
            max_epochs=EPOCHS[n_labels],
            batch_size=size,
            **OPTIMISERS[kind],
        )
        took, off = measured(clf, *digits(MODULES[name]), n_labels, repeats)
        cpu, wall = took.T
        yield (
            f"| {name}, {kind} | {n_labels} | {size} | {n} | {cpu[0]:.2f} | "
            f"{cpu[0] / cpu[1]:.1f}x | {cpu[0] / cpu[2]:.1f}x | "
            f"{wall[0] / wall[2]:.1f}x | {off[0]:.0e} | {off[1]:.0e} |"
        )


def drift():
    """Yield the lines of the table of differences."""
    optimisers = OPTIMISERS | {"SGD with momentum": MOMENTUM}
    for name, kind in itertools.product(MODULES, optimisers):
        line = f"| {name}, {kind} |"
        for epochs in (1, 10, 50):
            clf = ensemble(
                MODULES[name], 5, max_epochs=epochs, batch_size=32, **optimisers[kind]
            )
            _, off = measured(clf, *digits(MODULES[name]), 100, 1)
            line += f" {off[1]:.0e} |"
        yield line


def main():
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--drift", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    command = "python -m benchmarks ensembles"
    if args.drift:
        title, lines, head = "Drift of ensembles in one pass", drift(), DRIFT_HEAD
        text = (
            f"{provenance(f'{command} --drift')}. Five members on 100 of the digits, "
            "without dropout, batches of 32, the same initial weights and batch "
            "orders: how far the members' probabilities are from those of members "
            "trained one after another, at most over all rows, after 1, 10 and 50 "
            "epochs in one pass. Trained one after another without skorch, there is "
            "no difference to the last bit."
        )
    else:
        title, lines, head = "Ensembles in one pass", speed(args.repeats), HEAD
        text = (
            f"{provenance(f'{command} --repeats {args.repeats}')}. "
            "Members of a deep ensemble on the digits, without dropout, trained one "
            "after another by skorch (processor seconds, median), and how many times "
            "faster they are trained one after another by bare steps, without skorch, "
            "and in one pass, with `batched=True`. The last "
            "columns say how far the members' probabilities are then from those that "
            "skorch trains, at most over all rows. 30 epochs with 100 labels, 6 with "
            "1,000. On a shared machine, time by the clock (wall) says little."
        )
    table = [head]
    for line in lines:
        table.append(line)
        print(line, flush=True)
    if args.out:
        write_section(args.out, title, text + "\n\n" + "\n".join(table))


if __name__ == "__main__":
    main()
