"""What stands around kernels and nets: queries, trainings, threads, a whole study.

    python -m benchmarks around [--parts query,train,...] [--threads 1 2] [--out FILE]

Each line is a ratio of two times taken in turns in one process, the smallest of several
runs each. A query is measured against its kernel on the same rows, a training against
skorch's own loop by the same seed (and whether weights and losses are equal), one of
convolutions against the same net in ``channels_last``, several threads against one (and
whether scores are equal, and which share of a kernel they have), core-set among few
rows against a numpy loop, k-means against scikit-learn's, and a study of fits and
margin queries against the same by skorch and numpy.
Processor time, but for threads.
"""

import argparse
import heapq
import sys
import time
from contextlib import ExitStack, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from sklearn.base import clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.datasets import load_digits
from torch import nn

from benchmarks._measure import provenance
from benchmarks._net import make_net
from benchmarks._report import write_section
from benchmarks.large import clusters
from skal_deep._threads import for_each_part, keep_threads, one_thread
from skal_deep.classifier import DeepClassifier, MCDropoutClassifier
from skal_deep.classifier.net._fit import fit_net
from skal_deep.evaluation import SimulatedActiveLearner
from skal_deep.functional import (
    badge,
    bait,
    bald,
    batch_bald,
    epig,
    k_center_greedy,
    lcmd,
    max_det,
    max_herding,
    nearest_centers,
    prob_cover,
)
from skal_deep.functional._checks import check_rows
from skal_deep.functional._chunks import slices
from skal_deep.functional._k_means import best_seeds, k_means, lloyd
from skal_deep.modules import MLP, ConvNet
from skal_deep.pool import BALD, CoreSet, MarginSampling

QUERIES = [(20_000, 256), (200_000, 64), (1_000_000, 64), (60_000, 1, 28, 28)]
TRAININGS = [(MLP, 100, 16), (MLP, 100, 128), (MLP, 1000, 16), (ConvNet, 100, 16)]
BALDS = [(20, 1_000_000, 10), (100, 50_000, 10), (20, 20_000, 100)]
FEW = [200, 500, 1000, 1500]
GROUPINGS = [
    ("clustered", 20_000, 64, 50),
    ("clustered", 10_000, 64, 20),
    ("clustered", 10_000, 64, 100),
    ("clustered", 10_000, 64, 500),
    ("normal", 10_000, 128, 50),
    ("normal", 10_000, 128, 200),
    ("normal", 2_000, 512, 20),
    ("normal", 300, 16, 10),
    ("normal", 20_000, 512, 1_000),
]


def in_turns(one, other, n_runs, clock=time.process_time):
    """Return the smallest milliseconds of each of two calls, and what they returned."""
    best, answers = [np.inf, np.inf], [one(), other()]  # warm
    for _ in range(n_runs):
        for side, call in enumerate((one, other)):
            started = clock()
            answers[side] = call()
            best[side] = min(best[side], 1e3 * (clock() - started))
    return best, answers


def query():
    """Return lines on core-set selection: the query and its kernel."""
    yield "| CoreSet, b=100, 100 labels | ms kernel | ms query | query / kernel |"
    yield "|---|---|---|---|"
    for shape in QUERIES:
        X = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        y = np.where(np.arange(len(X)) < 100, 0, -1)
        rows = torch.from_numpy(X.reshape(len(X), -1))
        kernel = partial(
            k_center_greedy, rows[100:], rows[:100], 100, with_utilities=False
        )
        strategy = CoreSet(random_state=0)
        whole = partial(strategy.query, X, y, batch_size=100)
        (inner, outer), _ = in_turns(kernel, whole, 5)
        size = " x ".join(f"{n:,}" for n in shape)
        yield f"| {size} | {inner:.0f} | {outer:.0f} | {outer / inner:.2f} |"


def train():
    """Return lines on training: ours and skorch's own loop."""
    yield (
        "| net, rows, mini-batch | us a step, skorch | ours | ratio | equal bits | "
        "passes alone | at most |"
    )
    yield "|---|---|---|---|---|---|---|"
    rng = np.random.default_rng(0)
    for module, n, size in TRAININGS:
        shape = (n, 1, 8, 8) if module is ConvNet else (n, 64)
        X, y = rng.random(shape, dtype=np.float32), rng.integers(10, size=n)
        net = make_net(module, lr=1e-3, batch_size=size, max_epochs=max(3, 4000 // n))
        fit = partial(fit_net, net, X, y, n_classes=10, seed=0)

        def by_skorch(fit=fit):
            with patch("skal_deep.classifier.net._fit.in_memory", nullcontext):
                return fit()

        (theirs, ours), nets = in_turns(by_skorch, fit, 3)
        passes = partial(passes_alone, nets[1], X, y)
        floor = min(in_turns(passes, passes, 2)[0])
        n_steps = net.max_epochs * -(-n // size)
        weights = [list(each.module_.parameters()) for each in nets]
        losses = [each.history[:, "train_loss"] for each in nets]
        is_equal = losses[0] == losses[1] and all(
            torch.equal(a, b) for a, b in zip(*weights, strict=True)
        )
        yield (
            f"| {module.__name__}, {n:,}, {size} | {1e3 * theirs / n_steps:.0f} | "
            f"{1e3 * ours / n_steps:.0f} | {theirs / ours:.2f} | {is_equal} | "
            f"{1e3 * floor / n_steps:.0f} | {theirs / floor:.2f} |"
        )


def passes_alone(net, X, y):
    """Pass as many mini-batches forward and back, and change no weight."""
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
    net.module_.train()
    for _ in range(net.max_epochs):
        for start in range(0, len(X), net.batch_size):
            part = slice(start, start + net.batch_size)
            net.module_.zero_grad()
            net.criterion_(net.module_(inputs[part]), targets[part]).backward()


class Convolutions(nn.Module):
    """Three convolutions with batch normalisation, for images of 32 x 32 pixels."""

    def __init__(self, n_classes=10, memory_format=torch.contiguous_format):
        super().__init__()
        layers = []
        for n_in, n_out in ((3, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out)]
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
        head = nn.Flatten(), nn.Dropout(), nn.Linear(128 * 16, n_classes)
        self.layers = nn.Sequential(*layers, *head)
        self.to(memory_format=memory_format)

    def forward(self, x):
        """Return logits."""
        return self.layers(x)


def layout():
    """Return lines on training a net of convolutions in either layout of images."""
    yield "| net, rows, mini-batch | ms an epoch, as usual | channels_last | ratio |"
    yield "|---|---|---|---|"
    rng = np.random.default_rng(0)
    X, y = rng.random((256, 3, 32, 32), dtype=np.float32), rng.integers(10, size=256)
    for size in (32, 128):
        net = make_net(Convolutions, lr=1e-3, batch_size=size, max_epochs=2)
        usual = partial(fit_net, net, X, y, n_classes=10, seed=0)
        last = clone(net).set_params(module__memory_format=torch.channels_last)
        other = partial(fit_net, last, X, y, n_classes=10, seed=0)
        (one, two), _ = in_turns(usual, other, 4)
        yield (
            f"| three convolutions, 256 of 3 x 32 x 32, {size} | {one / 2:.0f} | "
            f"{two / 2:.0f} | {one / two:.2f} |"
        )


def threads(counts=(1, 2)):
    """Return lines on kernels by one thread and by more, on the clock."""
    yield (
        "| kernel | ms, 1 thread | threads | ms | ratio | goal | serial | at most | "
        "processor time | equal bits |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name, call in chain(what_threads_can_do(), kernels_in_parts()):
        torch.set_num_threads(1)
        seconds, parts = seconds_of_parts(call)
        share = 1 - sum(map(sum, parts)) / seconds
        for n_threads in counts[1:]:
            used = [[], []]
            one, more = (
                partial(with_threads, n, call, seconds)
                for n, seconds in zip((1, n_threads), used, strict=True)
            )
            (alone, both), answers = in_turns(one, more, 5, time.perf_counter)
            pairs = [each if isinstance(each, tuple) else (each,) for each in answers]
            is_equal = all(torch.equal(a, b) for a, b in zip(*pairs, strict=True))
            goal = 0.6 * n_threads if alone > 50 else 1
            most = seconds / least_seconds(seconds, parts, n_threads)
            bounds = f"{share:.0%} | {most:.1f}" if parts else "- | -"
            yield (
                f"| {name} | {alone:.1f} | {n_threads} | {both:.1f} | "
                f"{alone / both:.2f} | {goal:.1f} | {bounds} | "
                f"{min(used[1]) / min(used[0]):.2f} x | {is_equal} |"
            )
    torch.set_num_threads(1)


def what_threads_can_do():
    """Yield work that threads share nothing of but the machine, and calls of it.

    No kernel gains more by threads than the first, whose numbers stay in each core's
    cache, and none that reads many numbers once more than the second.
    """
    parts = list(slices(64, 1))
    numbers = torch.rand(len(parts), 2**21)
    square = torch.rand(512, 512)

    def share(work_on):
        for_each_part(parts, lambda: work_on, numbers.device)
        return numbers[:1, :1]

    calls = {
        "the machine, products in cache": lambda _: square.matrix_power(17),
        "the machine, sums of 512 MiB": lambda part: numbers[part].sum(),
    }
    for name, call in calls.items():
        yield name, partial(share, call)
    yield "the machine, 1,000 times two parts that are nothing", share_nothing


def share_nothing():
    """Share two parts a thousand times: what threads take to wake each other."""
    with keep_threads():
        for _ in range(1_000):
            for_each_part(range(2), lambda: lambda _: None, torch.device("cpu"))
    return torch.zeros(1)


def shares():
    """Return lines on how much of kernels threads share, by one thread's seconds.

    The serial share is what one thread does between parts, and so many times threads
    are woken for some. At most as many times as fast as the table says is what T
    threads can be with that share, and with the seconds that one thread takes for each
    part, if they never wait for each other or for memory.
    """
    yield "| kernel | ms, 1 thread | serial | times | at most by 2 | 4 | 16 threads |"
    yield "|---|---|---|---|---|---|---|"
    for name, call in kernels_in_parts():
        seconds, parts = min(seconds_of_parts(call) for _ in range(3))
        share = 1 - sum(map(sum, parts)) / seconds
        most = [seconds / least_seconds(seconds, parts, n) for n in (2, 4, 16)]
        numbers = " | ".join(f"{times:.1f}" for times in most)
        n_times = sum(len(each) > 1 for each in parts)
        yield f"| {name} | {1e3 * seconds:.1f} | {share:.0%} | {n_times} | {numbers} |"


def kernels_in_parts():
    """Yield names of kernels that threads share parts of, and calls of them."""
    generator = torch.Generator().manual_seed(0)
    calls = {}
    for n_draws, n, n_classes in BALDS:
        logits = torch.randn(n_draws, n, n_classes, generator=generator)
        name = f"BALD {n_draws} x {n:,} x {n_classes}"
        calls[name] = partial(bald, logits.softmax(-1))
    for kind, n, n_picks, n_configurations, with_utilities in BATCHES:
        text = "with utilities" if with_utilities else "picks alone"
        calls[f"BatchBALD, {kind}, 100 x {n:,} x 10, b={n_picks}, {text}"] = partial(
            draw_batch,
            DRAWS[kind](n, generator),
            n_picks,
            n_configurations,
            with_utilities,
        )
    for n, n_classes in ((400, 100), (10_000, 10)):
        draws = torch.randn(20, n + 100, n_classes, generator=generator).softmax(-1)
        name = f"EPIG 20 x {n:,} x {n_classes}, 100 targets"
        calls[name] = partial(epig, draws[:, 100:], draws[:, :100])
    known, rows = (torch.randn(n, 64, generator=generator) for n in (50, 5_000))
    proba_known, proba = (
        torch.randn(len(each), 10, generator=generator).softmax(-1)
        for each in (known, rows)
    )
    calls["Bait 5,000 x 64, 10 classes, b=20"] = partial(
        bait, proba, rows, proba_known, known, 20
    )
    many, centers = (
        clusters(200_000, generator),
        torch.randn(100, 64, generator=generator),
    )
    alone = {"with_utilities": False}
    calls["LCMD 100,000 x 64, 100 centres, b=100"] = partial(
        lcmd, many[:100_000], centers, 100, **alone
    )
    calls["MaxDet 100,000 x 64, 100 labels, b=100"] = partial(
        max_det, many[:100_000], centers, 100, noise=0.1, **alone
    )
    some = many[:20_000]
    calls["MaxHerding 20,000 x 64, b=20"] = partial(
        max_herding, some, some, centers, 20, bandwidth=8.0, **alone
    )
    calls["ProbCover 20,000 x 64, b=20"] = partial(
        prob_cover, some, some, centers, 20, radius=8.0, **alone
    )
    wide = torch.randn(201_000, 512, generator=generator)
    calls["core-set 200,000 x 512, 1,000 labels, b=200"] = partial(
        k_center_greedy, wide[1_000:], wide[:1_000], 200, **alone
    )
    proba = torch.randn(100_000, 10, generator=generator).softmax(-1)
    calls["Badge 100,000 x 512, 10 classes, b=200"] = partial(
        draw_seeds, proba, wide[:100_000], 200
    )
    for n, n_clusters in ((20_000, 50), (200_000, 100)):
        name = f"k-means {n:,} x 64, {n_clusters} clusters"
        calls[name] = partial(group, many[:n], n_clusters)
    calls["query of 20,000 images, BALD, 20 draws"] = query_of_images()
    yield from calls.items()


def query_of_images():
    """Return a query for BALD among images by a small net, 1,000 of them labelled."""
    source = np.random.default_rng(0)
    classes = source.integers(10, size=20_000)
    X = source.normal(size=(20_000, 1, 28, 28)).astype(np.float32)
    y = np.where(np.arange(20_000) < 1_000, classes, -1)
    net = make_net(ConvNet, lr=1e-3, batch_size=64, max_epochs=1)
    clf = MCDropoutClassifier(net, 20, classes=range(10), random_state=0).fit(X, y)
    strategy = BALD(random_state=0)
    query = partial(strategy.query, X, y, clf, fit_clf=False, batch_size=100)
    return lambda: torch.from_numpy(query())


def group(rows, n_clusters):
    """Return centroids of k-means, by one seed."""
    return k_means(rows, n_clusters, torch.Generator().manual_seed(0))


def draw_seeds(proba, rows, n_picks):
    """Return a batch of Badge, by one seed."""
    generator = torch.Generator().manual_seed(0)
    return badge(proba, rows, n_picks, generator=generator, with_utilities=False)


def independent_draws(n, generator):
    """Return draws whose rows have nothing in common, which bounds hardly help with."""
    return (2 * torch.randn(100, n, 10, generator=generator)).softmax(-1)


def linear_draws(n, generator):
    """Return draws of a linear classifier of 32 features."""
    rows = torch.randn(n, 32, generator=generator)
    weights = torch.randn(32, 10, generator=generator)
    weights = weights + 0.5 * torch.randn(100, 32, 10, generator=generator)
    return (0.5 * rows @ weights).softmax(-1)


DRAWS = {"independent": independent_draws, "linear": linear_draws}
BATCHES = [
    ("independent", 1_000, 4, 8_000, False),
    ("independent", 1_000, 4, 8_000, True),
    ("independent", 1_000, 10, 10_000, False),
    ("linear", 10_000, 10, 10_000, False),
    ("linear", 10_000, 4, 8_000, True),
]


def draw_batch(samples, n_picks, n_configurations, with_utilities):
    """Return a batch of BatchBALD, by one seed."""
    return batch_bald(
        samples,
        n_picks,
        n_configurations=n_configurations,
        generator=torch.Generator().manual_seed(0),
        with_utilities=with_utilities,
    )


def seconds_of_parts(call):
    """Return the seconds of a call by one thread, and those of all parts in it.

    A list for each time that there are parts, which threads wait for the last of.
    """
    calls, is_nested = [], []

    def timed(parts, begin, device):
        if is_nested:
            for_each_part(parts, begin, device)
            return
        is_nested.append(True)
        work_on = begin()
        calls.append([])
        for part in parts:
            started = time.process_time()
            work_on(part)
            calls[-1].append(time.process_time() - started)
        is_nested.clear()

    call()  # warm
    with ExitStack() as patches:
        for name in those_with_parts():
            patches.enter_context(patch(f"{name}.for_each_part", timed))
        started = time.process_time()
        call()
        seconds = time.process_time() - started
    return seconds, calls


def those_with_parts():
    """Return the names of modules that share parts."""
    return [
        name
        for name, module in sys.modules.items()
        if name.startswith("skal_deep.") and hasattr(module, "for_each_part")
        if name != "skal_deep._threads"
    ]


def least_seconds(seconds, calls, n_threads):
    """Return how long threads would take that never wait for each other or memory.

    Each takes the next part when it is done with one; the rest is done by one.
    """
    least = seconds - sum(map(sum, calls))
    for parts in calls:
        busy = [0.0] * n_threads
        for part in parts:
            heapq.heapreplace(busy, busy[0] + part)
        least += max(busy)
    return least


def with_threads(n_threads, call, seconds):
    """Return what a call returns with so many threads; keep its processor seconds."""
    torch.set_num_threads(n_threads)
    started = time.process_time()
    answer = call()
    seconds.append(time.process_time() - started)
    return answer


def few():
    """Return lines on core-set among few rows, and by numpy."""
    yield (
        "| rows of 64, 10 labels, b=10 | ms by numpy | ms ours | ours / numpy | "
        "checks of rows alone |"
    )
    yield "|---|---|---|---|---|"
    for n in FEW:
        rows = np.random.default_rng(0).standard_normal((n + 10, 64), dtype=np.float32)
        tensor = torch.from_numpy(rows)
        ours = partial(
            k_center_greedy, tensor[10:], tensor[:10], 10, with_utilities=False
        )
        (theirs, own), picks = in_turns(
            partial(by_numpy, rows[10:], rows[:10], 10), ours, 100
        )
        check = partial(check_rows, embeddings=tensor[10:], centers=tensor[:10])
        checks = in_turns(check, check, 100)[0][0]
        if picks[0] != picks[1][0].tolist():
            raise RuntimeError(f"The picks among {n} rows differ.")
        yield (
            f"| {n:,} | {theirs:.3f} | {own:.3f} | {own / theirs:.2f} | {checks:.3f} |"
        )


def by_numpy(rows, centers, n_picks):
    """Return farthest-first picks by products of matrices, in a loop of numpy."""
    norm = (rows * rows).sum(1)
    cross = rows @ centers.T
    nearest = (norm[:, None] - 2 * cross + (centers * centers).sum(1)).min(1)
    picks = []
    for _ in range(n_picks):
        at = int(nearest.argmax())
        picks.append(at)
        nearest = np.minimum(nearest, norm - 2 * (rows @ rows[at]) + norm[at])
    return picks


def grouping():
    """Return lines on k-means: scikit-learn's and ours, from the same seeds.

    Of more than 50 clusters scikit-learn's is by mini-batches, as in TypiClust's code.
    """
    yield (
        "| rows, clusters | ms by scikit-learn | ours | ratio | inertia, ours / "
        "scikit-learn's |"
    )
    yield "|---|---|---|---|---|"
    generator = torch.Generator().manual_seed(0)
    for kind, n, n_dims, n_clusters in GROUPINGS:
        rows = torch.randn(n, n_dims, generator=generator)
        if kind == "clustered":
            rows = clusters(n, generator)
        rows -= rows.mean(0)
        weights = rows.new_ones(n)
        seeds = best_seeds(rows, n_clusters, weights, 0)
        options = {"init": seeds.numpy(), "n_init": 1, "random_state": 0}
        theirs = KMeans(n_clusters, **options)
        if n_clusters > 50:
            theirs = MiniBatchKMeans(n_clusters, batch_size=5_000, **options)

        def by_scikit_learn(theirs=theirs, rows=rows):
            with one_thread():
                return torch.from_numpy(theirs.fit(rows.numpy()).cluster_centers_)

        ours = partial(lloyd, rows, seeds, weights)
        (their_ms, own_ms), centers = in_turns(by_scikit_learn, ours, 3)
        inertia = [float(nearest_centers(rows, c)[0].double().sum()) for c in centers]
        yield (
            f"| {kind}, {n:,} x {n_dims}, {n_clusters:,} | {their_ms:.1f} | "
            f"{own_ms:.1f} | {their_ms / own_ms:.2f} | {inertia[1] / inertia[0]:.4f} |"
        )


def study():
    """Return lines on a study: ours, and the same by skorch and numpy."""
    yield "| fits and queries by the margin, digits, 15 rounds of 10 | s | ratio |"
    yield "|---|---|---|"
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    net = make_net(
        MLP, lr=1e-3, batch_size=16, max_epochs=30, module__n_features=64
    ).set_params(module__n_classes=10)
    clf = DeepClassifier(net, classes=range(10), random_state=0)

    def ours():
        learner = SimulatedActiveLearner(
            clf,
            MarginSampling(random_state=0),
            n_initial=20,
            batch_size=10,
            n_cycles=15,
            random_state=0,
        )
        return learner.fit(X, y)

    (theirs, own), _ = in_turns(partial(by_skorch, net, X, y), ours, 1)
    yield f"| skorch and numpy | {theirs / 1e3:.1f} | |"
    yield f"| skal_deep | {own / 1e3:.1f} | {theirs / own:.2f} |"


def by_skorch(net, X, y):
    """Play the study with nothing but skorch and numpy."""
    known = np.random.default_rng(0).permutation(len(y))[:20]
    for cycle in range(16):
        fitted = clone(net).fit(X[known], y[known])
        if cycle < 15:
            left = np.setdiff1d(np.arange(len(y)), known)
            logits = fitted.predict_proba(X[left])
            top = np.sort(torch.from_numpy(logits).softmax(-1).numpy(), axis=1)
            margin = top[:, -1] - top[:, -2]
            known = np.concatenate([known, left[np.argsort(margin)[:10]]])


PARTS = (query, train, layout, threads, shares, few, grouping, study)
PARTS = {part.__name__: part for part in PARTS}


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="which, by commas")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=(1, 2), help="1, and what to compare"
    )
    parser.add_argument("--out", type=Path, help="file whose section is replaced")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = []
    for name in args.parts.split(","):
        part = partial(threads, args.threads) if name == "threads" else PARTS[name]
        for line in part():
            print(line, flush=True)
            lines.append(line)
        lines.append("")
    if args.out:
        command = " ".join(["python -m benchmarks around", *sys.argv[1:]])
        text = f"{provenance(command)}; two where it says so.\n\n" + "\n".join(lines)
        write_section(args.out, "Around kernels and nets", text)


if __name__ == "__main__":
    main()
