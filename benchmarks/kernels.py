"""Our kernels beside those of every peer that is installed, in one run.

    python -m benchmarks kernels [--large] [--only badge ...] [--out FILE]

Each measurement is a fresh process with one thread, so that peak memory is its own.
Time is processor time, the median of three calls after one that warms up (of one call
where a call takes over ten seconds). All sides are given the same arrays. Ratios hold
on a noisy machine; single times do not.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks._measure import provenance
from benchmarks._net import make_net
from benchmarks._report import write_section
from benchmarks.peers import PEERS

SMALL = [
    ("bald", {"n": 10_000, "s": 20, "c": 10}),
    ("bald", {"n": 50_000, "s": 100, "c": 10}),
    ("badge", {"n": 10_000, "c": 10, "d": 128, "b": 100}),
    ("core-set", {"n": 50_000, "d": 512, "labeled": 1_000, "b": 100}),
    ("lcmd", {"n": 50_000, "d": 512, "labeled": 1_000, "b": 100}),
    ("batch-bald", {"n": 1_000, "s": 100, "c": 10, "b": 5, "m": 10_000}),
    ("batch-bald", {"n": 10_000, "s": 100, "c": 10, "b": 10, "m": 100}),
    ("bait", {"n": 1_050, "c": 10, "d": 32, "labeled": 50, "b": 5}),
    ("mc-dropout", {"net": "LeNet", "n": 200, "s": 20}),
    ("mc-dropout", {"net": "LeNet", "n": 200, "s": 100}),
    ("mc-dropout", {"net": "head", "n": 200, "s": 20}),
    ("mc-dropout", {"net": "head", "n": 200, "s": 100}),
    ("predict", {"net": "LeNet", "n": 2_000}),
    ("predict", {"net": "ConvNet", "n": 2_000}),
]
LARGE = [
    ("bald", {"n": 20_000, "s": 20, "c": 100}),
    ("bald", {"n": 1_000_000, "s": 20, "c": 10}),
    ("badge", {"n": 10_000, "c": 100, "d": 512, "b": 100}),
    ("badge", {"n": 50_000, "c": 10, "d": 512, "b": 1_000}),
    ("badge", {"n": 1_000_000, "c": 100, "d": 512, "b": 1_000}),
    ("core-set", {"n": 50_000, "d": 512, "labeled": 1_000, "b": 1_000}),
    ("core-set", {"n": 200_000, "d": 512, "labeled": 1_000, "b": 1_000}),
    ("core-set", {"n": 1_000_000, "d": 512, "labeled": 1_000, "b": 1_000}),
    ("batch-bald", {"n": 1_000, "s": 100, "c": 10, "b": 10, "m": 10_000}),
    ("batch-bald", {"n": 10_000, "s": 100, "c": 10, "b": 10, "m": 10_000}),
    ("batch-bald", {"n": 50_000, "s": 100, "c": 10, "b": 50, "m": 2_000}),
    ("bait", {"n": 2_100, "c": 10, "d": 64, "labeled": 100, "b": 10}),
    ("bait", {"n": 50_100, "c": 10, "d": 128, "labeled": 100, "b": 100}),
]
# How long a measurement is waited for. A peer whose call took a tenth of this is not
# asked for larger sizes.
LIMIT_SECONDS = 300


def embeddings(n, d, **_):
    """Return embeddings (N, D): 20 clusters in 32 dimensions, through a ReLU layer."""
    source = np.random.default_rng(1)
    centers, map_ = (source.standard_normal(s, dtype="f4") for s in ((20, 32), (32, d)))
    points = np.empty((n, d), dtype="f4")
    for rows in np.array_split(np.arange(n), max(1, n // 100_000)):
        hidden = source.standard_normal((len(rows), 32), dtype="f4")
        hidden += 3 * centers[source.integers(20, size=len(rows))]
        points[rows] = np.maximum(hidden @ map_ / 6, 0)
    return points


def draws(n, s, c, **_):
    """Return posterior draws (S, N, C): of the last layer of a net."""
    source = np.random.default_rng(0)
    hidden = source.standard_normal((n, 32), dtype="f4")
    mean = source.standard_normal((32, c), dtype="f4")
    samples = np.empty((s, n, c), dtype="f4")
    for draw in samples:
        weights = mean + 0.3 * source.standard_normal((32, c), dtype="f4")
        logits = 0.6 * hidden @ weights
        draw[:] = np.exp(logits - logits.max(-1, keepdims=True))
        draw /= draw.sum(-1, keepdims=True)
    return samples


def conv_net(net, n, **_):
    """Return a net and images.

    The net of BatchBALD's experiments ("LeNet"), with dropout at its end only ("head"),
    or our small one ("ConvNet").
    """
    import torch
    from torch import nn

    from skal_deep.modules import ConvNet

    torch.manual_seed(0)
    images = torch.rand(n, 1, 28, 28)
    if net == "ConvNet":
        net = ConvNet().eval()
        net(images[:2])
        return net, images
    inside = [nn.Dropout2d()] if net == "LeNet" else []
    layers = [nn.Conv2d(1, 32, 5), *inside, nn.MaxPool2d(2), nn.ReLU()]
    layers += [nn.Conv2d(32, 64, 5), *inside, nn.MaxPool2d(2), nn.ReLU(), nn.Flatten()]
    layers += [nn.Linear(1024, 128), nn.ReLU(), nn.Dropout(), nn.Linear(128, 10)]
    return nn.Sequential(*layers).eval(), images


def arrays(kernel, size):
    """Return what a kernel is given."""
    if kernel in ("bald", "batch-bald"):
        return (draws(**size),)
    if kernel in ("core-set", "lcmd"):
        return (embeddings(**size),)
    if kernel in ("mc-dropout", "predict"):
        return conv_net(**size)
    return draws(s=1, **size)[0], embeddings(**size)


def ours(kernel, given, size):
    """Return a call of our kernel: picks, without utilities."""
    import torch

    from skal_deep import functional
    from skal_deep.classifier.net._answers import net_proba
    from skal_deep.modules import coupled_dropout
    from skal_deep.modules._thinned import draw_passes

    if kernel == "predict":
        net, x = make_net(given[0]).initialize(), given[1].numpy()
        return lambda: net_proba(net, x).numpy()
    if kernel == "mc-dropout":
        net, x = given

        def call():
            with coupled_dropout(net, 0) as masks:
                passes = draw_passes(net).draws(x, masks, size["s"])
                return torch.stack([output.softmax(-1) for output in passes]).numpy()

        return call
    functional.bald(torch.ones(1, 1, 1))  # loads what is compiled
    first, *rest = map(torch.from_numpy, given)
    b, k = size.get("b"), size.get("labeled", 0)
    run = {
        "bald": lambda: functional.bald(first),
        "batch-bald": lambda: functional.batch_bald(
            first,
            b,
            n_configurations=size["m"],
            generator=torch.Generator().manual_seed(0),
            with_utilities=False,
        )[0],
        "core-set": lambda: functional.k_center_greedy(
            first[k:], first[:k], b, with_utilities=False
        )[0],
        "lcmd": lambda: functional.lcmd(first[k:], first[:k], b, with_utilities=False)[
            0
        ],
        "badge": lambda: functional.badge(first, *rest, b, with_utilities=False)[0],
        "bait": lambda: functional.bait(
            first[k:], rest[0][k:], first[:k], rest[0][:k], b, with_utilities=False
        )[0],
    }[kernel]
    return lambda: run().numpy()


def measure(side, kernel, size):
    """Return seconds, peak memory above the start in MiB, and the answer."""
    import torch

    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # progress bars of some peers
    given = arrays(kernel, size)
    try:
        if side == "ours":
            call = ours(kernel, given, size)
        else:
            call = PEERS[kernel][side](*given, size)
    except ImportError as error:
        return str(error)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    answer = call()
    seconds = [time.process_time() - started]
    if seconds[0] < 10:
        seconds = []
        for _ in range(3):
            started = time.process_time()
            call()
            seconds.append(time.process_time() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return statistics.median(seconds), peak / 1024, np.asarray(answer)


def in_own_process(*args):
    """Return what :func:`measure` returns, or why it does not."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply_async(measure, args).get(LIMIT_SECONDS)
        except multiprocessing.TimeoutError:
            return f"stopped after {LIMIT_SECONDS} s"
        except MemoryError:
            return "out of memory"


def agreement(kernel, mine, its):
    """Return in words how the two answers compare."""
    if kernel in ("bald", "predict"):
        return f"scores differ by {np.abs(mine - its).max():.0e} at most"
    if kernel == "badge":
        return "random"
    if kernel == "mc-dropout":
        return "other masks"
    return f"{len(set(mine) & set(its)) / len(mine):.0%} of picks equal"


def rows(cases):
    """Yield the lines of the table."""
    slow = set()
    for kernel, size in cases:
        text = " ".join(
            f"{name}={value:,}" if isinstance(value, int) else value
            for name, value in size.items()
        )
        seconds, peak, mine = in_own_process("ours", kernel, size)
        yield f"| {kernel} | {text} | **ours** | {seconds:.3g} s | | {peak:.0f} MiB | |"
        for side in PEERS[kernel]:
            if (kernel, side) in slow or size["n"] >= 500_000:
                continue
            result = in_own_process(side, kernel, size)
            if isinstance(result, str):
                slow.add((kernel, side))
                yield f"| | | {side} | {result} | | | |"
                continue
            its_seconds, its_peak, its = result
            if its_seconds > LIMIT_SECONDS / 10:
                slow.add((kernel, side))
            yield (
                f"| | | {side} | {its_seconds:.3g} s | {its_seconds / seconds:.0f} x "
                f"| {its_peak:.0f} MiB | {agreement(kernel, mine, its)} |"
            )


def first_calls():
    """Return in words how long a call takes that compiles, and one that loads."""
    code = (
        "import time, torch; from skal_deep.functional import bald\n"
        "given, started = torch.ones(1, 1, 1), time.perf_counter()\n"
        "bald(given); print(time.perf_counter() - started)"
    )
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        compiling, loading = (
            float(
                subprocess.check_output([sys.executable, "-c", code], env=environment)
            )
            for _ in range(2)
        )
    return (
        "The loop behind BALD\nand BatchBALD is compiled by the first call on a "
        f"machine, in {compiling:.1f} s, and loaded by the\nfirst of a process, in "
        f"{loading:.2f} s."
    )


def versions():
    """Return the versions of what was measured."""
    names = ["numpy", "torch", "scikit-learn", "scikit-activeml", "baal"]
    names += ["batchbald-redux", "small-text", "decile-distil", "bmdal-reg"]
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="sizes that take minutes")
    parser.add_argument("--only", nargs="+", choices=PEERS, help="some kernels")
    parser.add_argument("--out", type=Path, help="file whose section is replaced")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that measure
    cases = SMALL + LARGE * args.large
    cases = [case for case in cases if not args.only or case[0] in args.only]
    lines = [
        "| kernel | size | side | processor time | ratio | peak memory | answers |",
        "|---|---|---|---|---|---|---|",
    ]
    print(*lines, sep="\n")
    for line in rows(sorted(cases, key=lambda case: list(PEERS).index(case[0]))):
        print(line, flush=True)
        lines.append(line)
    if args.out:
        command = " ".join(["python -m benchmarks kernels", *sys.argv[1:]])
        write_section(
            args.out,
            "Kernels, side by side",
            f"{provenance(command)}, {versions()}.\n\n"
            "Peak memory is what a call needs beside its input. All give picks without "
            "utilities\nwhere they can. scikit-activeml's side is its kernel for BALD "
            "and BatchBALD, its strategy\nfor Badge and core-set, with the answers of "
            f"the model given. {first_calls()}\n\n" + "\n".join(lines),
        )
