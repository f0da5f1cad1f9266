"""What a pair of rows costs with few and with many columns, and the near-linear forms.

    python -m benchmarks large [--shards ROWS | --strategies ROWS ...] [--out FILE]

Distance kernels should cost the same a pair whatever the number of rows. Neighbours by
groups, coverage of a sample and EPIG to second order are beside the exact forms. With
``--shards`` that many rows of 64 numbers are written to files first and queried there.
With ``--strategies`` whole queries of pools of these sizes are measured.
One thread; ratios are of processor seconds in one run, and of core-set over shards of
the least of three turns.
"""

import argparse
import math
import resource
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks._measure import cost, in_fresh_process, provenance
from benchmarks._report import write_section
from skal_deep import functional, pool
from skal_deep.functional import neighbors
from skal_deep.functional._chunks import block_shape, slices
from skal_deep.pool import CoreSet, MarginSampling, MaxHerding
from skal_deep.shards import query_shards

D = 64
PAIRS = [
    (2_000, 3_000),
    (2_000, 30_000),
    (1_000, 100_000),
    (500, 1_000_000),
    (100, 1_000_000),
]
SHARD_ROWS = 500_000


def clusters(n, source):
    """Return rows of 50 clusters, 8-dimensional among 64."""
    member = torch.randint(50, (n,), generator=source)
    center = 2 * torch.randn(50, D, generator=source)
    spread = torch.randn(50, 8, D, generator=source) / 3
    rows = center[member]
    inside = torch.randn(n, 8, generator=source)
    for group in range(50):
        own = member == group
        rows[own] += inside[own] @ spread[group]
    return rows


def floors(rows, data):
    """Return what a kernel of all pairs cannot do without, as calls by name."""
    height, width = block_shape(len(rows), len(data), rows.device)
    block = torch.empty(height * width)

    def products():
        for columns in data.split(width):
            for some in rows.split(height):
                size = len(some) * len(columns)
                out = block[:size].view(len(some), len(columns))
                torch.mm(some, columns.T, out=out)

    exponents = torch.linspace(-5, 0, height * width)

    def powers():
        for _ in range(-(-len(rows) * len(data) // len(block))):
            torch.exp(exponents, out=block)

    return {
        "products alone": products,
        "exp alone": powers,
        "reading the columns alone": data.sum,
    }


def a_pair():
    """Return lines on kernels by the number of columns."""
    source, lines, first = torch.Generator().manual_seed(0), [], {}
    kernels = {
        "density": functional.density,
        "11 neighbours": lambda x, y: functional.nearest_neighbors(x, y, 11),
        "MaxHerding, one pick": lambda x, y: functional.max_herding(
            x, y, x[:0], 1, bandwidth=8.0, with_utilities=False
        ),
    }
    for n, m in PAIRS:
        rows, data = (torch.randn(size, D, generator=source) for size in (n, m))
        calls = {name: partial(kernel, rows, data) for name, kernel in kernels.items()}
        for kernel in kernels.values():
            kernel(rows[:20], data[:20])  # loads loops
        for name, call in (calls | floors(rows, data)).items():
            nanoseconds = 1e9 * cost(call)[0] / n / m
            ratio = nanoseconds / first.setdefault(name, nanoseconds)
            lines.append(
                f"| {name} | {n:,} x {m:,} | {nanoseconds:.1f} ns | {ratio:.1f} |"
            )
            print(lines[-1], flush=True)
    return lines


def n_looked_at(n):
    """Return with how many rows one is compared where neighbours come from groups."""
    n_groups = math.isqrt(n)
    return 8 * n / n_groups + (neighbors._N_LLOYD + 2) * n_groups


def near_linear():
    """Return lines on the forms for large pools, beside the exact ones."""
    source, lines = torch.Generator().manual_seed(0), []

    def add(what, size, exact, quick, quality):
        lines.append(f"| {what} | {size} | {exact:.2f} | {quick:.2f} | {quality} |")
        print(lines[-1], flush=True)

    for n in (30_000, 100_000):
        rows = clusters(n, source)
        some = torch.randperm(n, generator=source)[:500]
        exact = cost(partial(functional.nearest_neighbors, rows[some], rows, 11))[0]
        quick = cost(partial(functional.grouped_neighbors, rows, rows, 11))[0]
        expected = functional.nearest_neighbors(rows[some], rows, 11)[1]
        found = functional.grouped_neighbors(rows, rows, 11)[1][some]
        recall = (found[:, :, None] == expected[:, None]).any(1).float().mean()
        add(
            "11 neighbours, by groups",
            f"{n:,}",
            exact * n / 500,
            quick,
            f"{recall:.4f}; of {n / n_looked_at(n):.0f} pairs one is looked at",
        )
    rows = functional.unit_rows(clusters(20_000, source))
    kernel = {"bandwidth": 1.0, "with_utilities": False}

    def coverage(picks):
        return float((-(torch.cdist(rows, rows[picks]) ** 2)).exp().amax(1).mean())

    exact = cost(lambda: functional.max_herding(rows, rows, rows[:0], 10, **kernel))[0]
    best = coverage(functional.max_herding(rows, rows, rows[:0], 10, **kernel)[0])
    for size in (1_000, 5_000):
        data = rows[torch.randperm(len(rows), generator=source)[:size]]
        quick = cost(
            lambda d=data: functional.max_herding(rows, d, rows[:0], 10, **kernel)
        )
        share = coverage(functional.max_herding(rows, data, rows[:0], 10, **kernel)[0])
        add(
            f"MaxHerding, covers {size:,}",
            "20,000, 10 picks",
            exact,
            quick[0],
            f"coverage {share / best:.3f} of the exact",
        )
    for n, c in ((400, 100), (40, 1_000)):
        logits = torch.randn(20, n + 100, c, generator=source)
        logits = 0.5 * logits + 2 * torch.randn(n + 100, c, generator=source)
        pool, targets = logits.softmax(-1).split([n, 100], 1)
        scores = functional.epig(pool, targets)
        estimates = functional.second_order_epig(pool, targets)
        kept = len(np.intersect1d(scores.topk(10).indices, estimates.topk(30).indices))
        add(
            "EPIG to second order",
            f"{n} x 100, {c} classes",
            cost(lambda p=pool, t=targets: functional.epig(p, t))[0],
            cost(lambda p=pool, t=targets: functional.second_order_epig(p, t))[0],
            f"{kept} of the best 10 in its first 30",
        )
    return lines


def by_shards(n_rows, folder):
    """Return lines on queries of rows in files, and the peak of memory."""
    files = []
    for number, start in enumerate(range(0, n_rows, SHARD_ROWS)):
        size = min(SHARD_ROWS, n_rows - start)
        rows = np.random.default_rng(number).standard_normal(
            (size, D), dtype=np.float32
        )
        files.append(Path(folder) / f"{number}.npy")
        np.save(files[-1], rows)
    clf = LogisticRegression().fit(rows[:200], rows[:200, 0] > 0)
    least = partial(read_and_multiply, files, rows[:100])
    lines = []
    some = list(range(0, n_rows, n_rows // 100))
    core_set = CoreSet(random_state=0)
    herding = MaxHerding(bandwidth=8.0, normalize=False, random_state=0)
    for strategy, given, labeled, n_turns in (
        (core_set, None, [0], 3),
        (core_set, None, [], 3),
        (core_set, None, some, 3),
        (MarginSampling(random_state=0), clf, [0], 1),
        (herding, None, [0], 1),
    ):
        ask = partial(query_shards, strategy, batch_size=100, clf=given)
        ask([rows[:1000]])  # loads loops
        ask = partial(ask, labeled=labeled)
        floor, seconds = math.inf, math.inf
        for _ in range(n_turns):
            floor = min(floor, seconds_of(least)[0])
            taken, picks = seconds_of(partial(ask, files))
            seconds = min(seconds, taken)
        told = "; ".join(f"{k} {v:.4g}" for k, v in picks.certificate.items())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        name = f"{type(strategy).__name__}, {len(labeled)} labels"
        lines.append(
            f"| {name} | {n_rows:,} x {D} | {floor:.2f} | {seconds:.2f} | "
            f"{seconds / floor:.1f} | {peak:.2f} | {told} |"
        )
        print(lines[-1], flush=True)
    return lines


def seconds_of(call):
    """Return processor seconds of a call, and what it returns."""
    started = time.process_time()
    answer = call()
    return time.process_time() - started, answer


def read_and_multiply(files, others):
    """Read all rows once and multiply them by some others: the least a query does."""
    for file in files:
        mapped = np.load(file, mmap_mode="r")
        for part in slices(len(mapped), 50_000):
            (mapped[part] @ others.T).max(1)


STRATEGIES = (
    "JointLabelPropagation",
    "DiffusionAL",
    "TypiClust",
    "ProbCover",
    "MaxHerding",
    "DensityWeightedDiversity",
    "UncertaintyHerding",
)


def whole_queries(names, sizes, limit):
    """Return lines on whole queries of strategies that once grew like N^2.

    Each in a process of its own; what took too long is not asked of larger pools.
    """
    lines = []
    for name in names:
        for n in sizes:
            answer = in_fresh_process(
                one_query, name, n, cpu_seconds=limit, max_bytes=8 * 2**30
            )
            if isinstance(answer, str):
                told = f"not within {limit} | {answer}"
            else:
                told = f"{answer[0]:.1f} | {answer[1]:.0f}"
            lines.append(f"| {name} | {n:,} x {D} | {told} |")
            print(lines[-1], flush=True)
            if isinstance(answer, str):
                break
    return lines


def one_query(name, n):
    """Return processor seconds of a query of 10, and MiB beside its data."""
    source = torch.Generator().manual_seed(0)
    X = clusters(n, source).numpy()
    y = np.where(np.arange(n) < 100, np.arange(n) % 10, -1)
    settings = {"n_classes": 10} if name == "ProbCover" else {}
    strategy = getattr(pool, name)(random_state=0, **settings)
    ask = partial(strategy.query, batch_size=10)
    if name == "UncertaintyHerding":
        ask = partial(ask, clf=LogisticRegression(max_iter=1000).fit(X[:100], y[:100]))
    ask(X[:1000], y[:1000])  # loads loops
    return cost(partial(ask, X, y))


def main():
    """Print the tables, or write them into a file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shards", type=int, help="rows to write and query; none else")
    parser.add_argument("--strategies", type=int, nargs="+", help="sizes; none else")
    parser.add_argument("--only", nargs="+", default=STRATEGIES, help="which of them")
    parser.add_argument("--limit", type=int, default=300, help="seconds of a query")
    parser.add_argument("--out", type=Path, help="file to write the section into")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.shards:
        with tempfile.TemporaryDirectory() as folder:
            lines = by_shards(options.shards, folder)
        title, command = (
            "Shards",
            f"python -m benchmarks large --shards {options.shards}",
        )
        head = [
            "| query of 100 | rows | s reading and one product | s query | ratio | "
            "peak GiB | certificate |"
        ]
        parts = [*head, "|---|---|---|---|---|---|---|", *lines]
    elif options.strategies:
        sizes = " ".join(map(str, options.strategies))
        title, command = (
            "Whole queries of large pools",
            f"python -m benchmarks large --strategies {sizes}",
        )
        head = ["| query of 10, without a model | rows | processor s | MiB |"]
        lines = whole_queries(options.only, options.strategies, options.limit)
        parts = [*head, "|---|---|---|---|", *lines]
    else:
        title, command = "Large pools", "python -m benchmarks large"
        parts = [
            "| kernel | pairs | a pair | to the first |",
            "|---|---|---|---|",
            *a_pair(),
        ]
        parts += [
            "",
            "| form | size | exact s | s | quality |",
            "|---|---|---|---|---|",
        ]
        parts += near_linear()
    if options.out:
        write_section(
            options.out, title, "\n".join([provenance(command) + ".", "", *parts])
        )
