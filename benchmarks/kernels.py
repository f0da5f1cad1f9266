"""Our kernels against scikit-activeml's, side by side in one run.

    python -m benchmarks kernels [--large] [--out benchmarks/RESULTS.md]

Each measurement is a fresh process with one thread, so that peak memory is its own.
Time is the median of three calls after one that warms up (one call where a call takes
over ten seconds). Both sides are given the same arrays. Ratios hold on a noisy machine;
single times do not.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import statistics
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

SMALL = [
    ("bald", {"n": 10_000, "s": 20, "c": 10}),
    ("bald", {"n": 50_000, "s": 100, "c": 10}),
    ("badge", {"n": 2_000, "c": 10, "d": 128, "b": 50}),
    ("badge", {"n": 10_000, "c": 10, "d": 128, "b": 100}),
    ("core-set", {"n": 10_000, "d": 512, "labeled": 1_000, "b": 100}),
    ("batch-bald", {"n": 1_000, "s": 100, "c": 10, "b": 5, "m": 10_000}),
    ("batch-bald", {"n": 10_000, "s": 100, "c": 10, "b": 10, "m": 100}),
]
LARGE = [
    ("badge", {"n": 10_000, "c": 10, "d": 512, "b": 100}),
    ("core-set", {"n": 50_000, "d": 512, "labeled": 1_000, "b": 100}),
    ("core-set", {"n": 50_000, "d": 512, "labeled": 1_000, "b": 1_000}),
    ("batch-bald", {"n": 1_000, "s": 100, "c": 10, "b": 10, "m": 10_000}),
]


def draws(n, s, c, **_):
    """Return posterior draws (S, N, C) in float32."""
    noise = 2 * np.random.default_rng(0).standard_normal((s, n, c), dtype=np.float32)
    proba = np.exp(noise - noise.max(-1, keepdims=True))
    return proba / proba.sum(-1, keepdims=True)


def features(n, d, **_):
    """Return embeddings (N, D) in float32."""
    noise = np.random.default_rng(1).standard_normal((n, d), dtype=np.float32)
    return np.maximum(noise, 0)


class GivenAnswers:
    """A classifier of scikit-activeml's that answers with given arrays."""

    def __new__(cls, proba=None, embeddings=None, samples=None):
        """Return the classifier."""
        from skactiveml.classifier import ParzenWindowClassifier

        class Given(ParzenWindowClassifier):
            def predict_proba(self, X, return_embeddings=False):
                rows = np.asarray(X)[:, 0].astype(int)
                if return_embeddings:
                    return proba[rows], embeddings[rows]
                return proba[rows]

            def sample_proba(self, X):
                return samples[:, np.asarray(X)[:, 0].astype(int)]

        n_classes = (proba if samples is None else samples).shape[-1]
        clf = Given(classes=range(n_classes))
        clf.classes_ = np.arange(n_classes)
        return clf


def ours(kernel, size):
    """Return a call of our kernel."""
    import torch

    from skal_deep import functional

    generator = torch.Generator().manual_seed(0)
    if kernel == "bald":
        samples = torch.from_numpy(draws(**size))
        return lambda: functional.bald(samples).numpy()
    if kernel == "batch-bald":
        samples = torch.from_numpy(draws(**size))
        return lambda: functional.batch_bald(samples, size["b"], size["m"], generator)[
            0
        ].numpy()
    embedding = torch.from_numpy(features(**size))
    if kernel == "core-set":
        k = size["labeled"]
        return lambda: functional.k_center_greedy(
            embedding[k:], embedding[:k], size["b"]
        )[0].numpy()
    proba = torch.from_numpy(draws(s=1, **size)[0])
    return lambda: functional.badge(proba, embedding, size["b"], generator)[0].numpy()


def theirs(kernel, size):
    """Return a call of scikit-activeml's kernel or, where it has none, strategy."""
    from skactiveml.pool import Badge, CoreSet
    from skactiveml.pool._bald import batch_bald

    if kernel == "bald":
        samples = draws(**size)
        return lambda: batch_bald(samples, batch_size=1)[0]
    if kernel == "batch-bald":
        samples = draws(**size)
        return lambda: np.nanargmax(
            batch_bald(
                samples, batch_size=size["b"], n_MC_samples=size["m"], random_state=0
            ),
            axis=1,
        )
    embedding = features(**size)
    y = np.full(size["n"], np.nan)
    if kernel == "core-set":
        y[: size["labeled"]] = 0
        return lambda: (
            CoreSet(random_state=0).query(embedding, y, batch_size=size["b"])
            - size["labeled"]
        )
    clf = GivenAnswers(draws(s=1, **size)[0], embedding)
    rows = np.arange(size["n"], dtype=float)[:, None]
    strategy = Badge(clf_embedding_flag_name="return_embeddings", random_state=0)
    return lambda: np.asarray(
        strategy.query(rows, y, clf, fit_clf=False, batch_size=size["b"])
    )


def measure(side, kernel, size):
    """Return seconds, peak memory above the start in MiB, and the answer."""
    import torch

    torch.set_num_threads(1)
    call = {"ours": ours, "theirs": theirs}[side](kernel, size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    answer = call()
    seconds = [time.perf_counter() - started]
    if seconds[0] < 10:
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return statistics.median(seconds), peak / 1024, answer


def agreement(kernel, mine, its):
    """Return in words how the two answers compare."""
    if kernel == "bald":
        return f"scores differ by {np.abs(mine - its).max():.0e} at most"
    if kernel == "badge":
        return "random; laws differ (1.0.1 keeps the origin as a centre)"
    return f"{np.mean(np.asarray(mine) == np.asarray(its)):.0%} of picks equal"


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="sizes that take minutes")
    parser.add_argument("--out", type=Path, help="file for the table")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that measure
    spawn = multiprocessing.get_context("spawn")
    lines = [
        "| kernel | size | ours | scikit-activeml | ratio | peak memory | agreement |",
        "|---|---|---|---|---|---|---|",
    ]
    print(*lines, sep="\n")
    for kernel, size in SMALL + (LARGE if args.large else []):
        results = {}
        for side in ("ours", "theirs"):
            with spawn.Pool(1) as pool:
                results[side] = pool.apply(measure, (side, kernel, size))
        (t0, m0, mine), (t1, m1, its) = results["ours"], results["theirs"]
        text = " ".join(f"{name}={value:,}" for name, value in size.items())
        lines.append(
            f"| {kernel} | {text} | {t0:.3g} s | {t1:.3g} s | {t1 / t0:.0f} x "
            f"| {m0:.0f} / {m1:.0f} MiB | {agreement(kernel, mine, its)} |"
        )
        print(lines[-1], flush=True)
    if args.out:
        command = "python -m benchmarks kernels" + (" --large" * args.large)
        packages = ("numpy", "torch", "scikit-activeml", "scikit-learn")
        args.out.write_text(
            "# Kernels, side by side\n\n"
            f"`{command} --out {args.out}`, {date.today()}, {platform.machine()} with "
            f"{os.cpu_count()} shared cores, one thread a measurement, Python "
            f"{platform.python_version()}, "
            + ", ".join(f"{name} {version(name)}" for name in packages)
            + ".\n\nPeak memory is what a call needs beside its input, ours / theirs.\n"
            "scikit-activeml's side is its kernel for BALD and BatchBALD, its strategy "
            "for Badge\nand core-set (which have no kernel on arrays), with the "
            "answers of the model given.\n\n" + "\n".join(lines) + "\n"
        )
