"""Kernels and queries on a card, beside the obvious few lines of plain torch on it.

    python -m benchmarks gpu [--rows NAME ...] [--device cuda] [--scale 1] [--out FILE]

For each row the median of up to five calls, the largest memory beside the inputs, the
same of plain torch where a few lines do, and the ratio; the goal that was set, on an
H200; and the floor: what reading the inputs once takes at the speed of a copy, or the
products that cannot be left out at the speed of a large one, both measured first.
Needs CUDA; with ``--device cpu --scale 0.01`` it shows that it runs.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks._net import make_net
from benchmarks._report import write_section
from skal_deep import functional
from skal_deep.classifier import MCDropoutClassifier, inference_precision
from skal_deep.modules import ConvNet
from skal_deep.pool import BALD, Badge, CoreSet, MarginSampling

N_DRAWS = 20
# No more calls of a row after that many seconds.
_SECONDS_A_ROW = 2.0


def plain_bald(samples):
    """Return entropy of the mean less mean entropy."""
    entropy = torch.special.entr
    return entropy(samples.mean(0)).sum(-1) - entropy(samples).sum(-1).mean(0)


def plain_k_center(rows, centers, n_picks):
    """Return the farthest rows, one after another."""
    nearest = torch.cdist(rows, centers).amin(1)
    picks = []
    for _ in range(n_picks):
        picks.append(nearest.argmax())
        nearest = nearest.minimum(torch.cdist(rows, rows[picks[-1]][None])[:, 0])
    return torch.stack(picks)


def plain_epig(samples, targets):
    """Return mutual information of all pairs, a row at a time."""
    scores = []
    for row in samples.unbind(1):
        joint = torch.einsum("sc,smd->mcd", row, targets) / len(samples)
        apart = row.mean(0)[None, :, None] * targets.mean(0)[:, None]
        scores.append(torch.xlogy(joint, joint / apart).sum((-1, -2)).mean())
    return torch.stack(scores)


def plain_density(rows, data):
    """Return mean similarities, 1,000 rows at a time."""
    parts = [
        (-(torch.cdist(part, data) ** 2) / 128).exp().mean(1)
        for part in rows.split(1_000)
    ]
    return torch.cat(parts)


def plain_neighbors(rows, data):
    """Return the 11 nearest, 1,000 rows at a time."""
    return torch.cat(
        [
            torch.cdist(part, data).topk(11, largest=False).indices
            for part in rows.split(1_000)
        ]
    )


def plain_herding(rows, data, n_picks):
    """Return picks by the matrix of all similarities."""
    kernel = (-(torch.cdist(rows, data) ** 2) / 64).exp()
    covered, picks = torch.zeros(len(data), device=rows.device), []
    for _ in range(n_picks):
        picks.append((kernel - covered).clamp_min(0).mean(1).argmax())
        covered = covered.maximum(kernel[picks[-1]])
    return torch.stack(picks)


def plain_cover(rows, data, n_picks, radius):
    """Return picks by the matrix of who covers whom."""
    covers = (torch.cdist(rows, data) < radius).half()
    is_open, picks = torch.ones(len(data), 1, device=rows.device).half(), []
    for _ in range(n_picks):
        picks.append((covers @ is_open)[:, 0].argmax())
        is_open[covers[picks[-1]] > 0] = 0
    return torch.stack(picks)


def plain_badge(proba, rows, n_picks):
    """Return k-means++ seeds by factors of gradients."""
    error = proba - F.one_hot(proba.argmax(1), proba.shape[1])
    norm = error.square().sum(1) * rows.square().sum(1)
    nearest, picks = norm, [norm.argmax()]
    for _ in range(n_picks - 1):
        at = picks[-1]
        inner = (error @ error[at]) * (rows @ rows[at])
        nearest = nearest.minimum((norm + norm[at] - 2 * inner).clamp_min(0))
        picks.append(torch.multinomial(nearest, 1)[0])
    return torch.stack(picks)


def plain_lcmd(rows, centers, n_picks):
    """Return the farthest rows of the largest clusters, one after another."""
    distance, owner = torch.cdist(rows, centers).square().min(1)
    picks = []
    for step in range(n_picks):
        mass = torch.zeros(len(centers) + step, device=rows.device)
        mass.index_add_(0, owner, distance)
        inside = torch.where(owner == mass.argmax(), distance, -1.0)
        picks.append(inside.argmax())
        new = (rows - rows[picks[-1]]).square().sum(1)
        owner = torch.where(new < distance, len(centers) + step, owner)
        distance = distance.minimum(new)
    return torch.stack(picks)


def plain_max_det(rows, known, n_picks, noise):
    """Return the rows of largest posterior variance, one after another."""
    eye = torch.eye(rows.shape[1], device=rows.device)
    covariance = noise * torch.linalg.inv(known.T @ known + noise * eye)
    variance, picks = ((rows @ covariance) * rows).sum(1), []
    for _ in range(n_picks):
        picks.append(variance.argmax())
        toward = covariance @ rows[picks[-1]]
        scale = 1 / (noise + rows[picks[-1]] @ toward)
        variance = variance - scale * (rows @ toward).square()
        covariance = covariance - scale * torch.outer(toward, toward)
    return torch.stack(picks)


def plain_pass(module, images, device, embeds=False):
    """Return what a module makes of images, 4,096 at a time."""
    part = module.layers[:-1] if embeds else module
    with torch.no_grad():
        return torch.cat([part(some.to(device)) for some in images.split(4096)])


def plain_draws(module, images, device):
    """Return probabilities of plain passes with dropout, which each row has its own."""
    module.train()
    draws = [plain_pass(module, images, device).softmax(-1) for _ in range(N_DRAWS)]
    module.eval()
    return torch.stack(draws)


@dataclass
class Row:
    """Something to measure.

    Attributes
    ----------
    call : callable
        Ours.
    plain : callable or None
        The same by a few lines of torch.
    args : tuple
        What both take.
    goal : float or None
        Milliseconds that were aimed at, on an H200.
    n_bytes, n_operations : float
        What cannot be left out: bytes to read, operations of products.
    """

    call: Callable[..., Any]
    plain: Callable[..., Any] | None
    args: tuple[Any, ...]
    goal: float | None = None
    n_bytes: float = 0.0
    n_operations: float = 0.0


class Cases:
    """Makes the rows by name, as late as possible: some take gigabytes."""

    def __init__(self, device, scale):
        self.device, self._scale = device, scale
        self._source = torch.Generator(device).manual_seed(0)

    def normal(self, *shape):
        """Return numbers of a normal distribution."""
        return torch.randn(shape, generator=self._source, device=self.device)

    def size(self, n, least=64):
        """Return a number of rows, by the scale."""
        return max(least, int(n * self._scale))

    def picks(self, n):
        """Return a number of picks, by the scale."""
        return n if self._scale >= 1 else min(n, 8)

    def bald(self, n, c, goal):
        """Return BALD of 20 draws."""
        draws = self.normal(20, self.size(n), c).softmax(-1)
        return Row(functional.bald, plain_bald, (draws,), goal, 4.0 * draws.numel())

    def epig(self):
        """Return EPIG with 100 classes."""
        n = self.size(400)
        draws = self.normal(20, n, 100).softmax(-1)
        targets = self.normal(20, 100, 100).softmax(-1)
        operations = 2.0 * n * 100 * 20 * 100 * 100
        return Row(functional.epig, plain_epig, (draws, targets), None, 0, operations)

    def core_set(self, n, b, goal):
        """Return core-set of 512 features, 1,000 rows labelled."""
        b, rows, known = self.picks(b), self.normal(self.size(n), 512), self.size(1_000)
        return Row(
            lambda r, k: functional.k_center_greedy(r, k, b, with_utilities=False),
            lambda r, k: plain_k_center(r, k, b),
            (rows, self.normal(known, 512)),
            goal,
            4.0 * rows.numel(),
        )

    def badge(self, n, c, b, goal):
        """Return Badge of 512 features."""
        b, rows = self.picks(b), self.normal(self.size(n), 512)
        proba = self.normal(len(rows), c).softmax(-1)
        return Row(
            lambda p, r: functional.badge(p, r, b, with_utilities=False),
            lambda p, r: plain_badge(p, r, b),
            (proba, rows),
            goal,
            4.0 * (rows.numel() + proba.numel()),
        )

    def batch_bald(self, n, b, m, goal, is_linear=False):
        """Return BatchBALD of 100 draws and 10 classes."""
        n, b = self.size(n), self.picks(b)
        if is_linear:
            weights = self.normal(100, 32, 10)
            logits = self.normal(n, 32) @ weights / 4
        else:
            logits = 2 * self.normal(100, n, 10)
        return Row(
            lambda s: functional.batch_bald(
                s,
                b,
                n_configurations=m,
                generator=torch.Generator().manual_seed(0),
                with_utilities=False,
            ),
            None,
            (logits.softmax(-1),),
            goal,
            4.0 * logits.numel(),
        )

    def bait(self):
        """Return Bait of 10 classes, 128 features, 100 picks."""
        n, b = self.size(50_000), self.picks(100)
        rows, known = self.normal(n, 128), self.normal(self.size(1_000), 128)
        proba, of_known = (
            self.normal(len(some), 10).softmax(-1) for some in (rows, known)
        )
        # the products of each of 2 b picks: a thin one for all rows
        operations = 2 * b * 2.0 * n * 128 * 9 * 9
        return Row(
            lambda *args: functional.bait(*args, b, with_utilities=False),
            None,
            (proba, rows, of_known, known),
            300,
            4.0 * rows.numel(),
            operations,
        )

    def lcmd(self):
        """Return LCMD of 128 features, 100 picks."""
        b, rows = self.picks(100), self.normal(self.size(60_000), 128)
        return Row(
            lambda r, k: functional.lcmd(r, k, b, with_utilities=False),
            lambda r, k: plain_lcmd(r, k, b),
            (rows, self.normal(self.size(1_000), 128)),
            10,
            4.0 * b * rows.numel(),
        )

    def max_det(self):
        """Return MaxDet of 128 features, 100 picks."""
        b, rows = self.picks(100), self.normal(self.size(60_000), 128)
        return Row(
            lambda r, k: functional.max_det(r, k, b, noise=1.0, with_utilities=False),
            lambda r, k: plain_max_det(r, k, b, 1.0),
            (rows, self.normal(self.size(1_000), 128)),
            10,
            4.0 * b * rows.numel(),
        )

    def max_herding(self):
        """Return MaxHerding of 128 features, 100 picks."""
        b, rows = self.picks(100), self.normal(self.size(20_000), 128)
        return Row(
            lambda r: functional.max_herding(
                r, r, r[:0], b, bandwidth=8.0, with_utilities=False
            ),
            lambda r: plain_herding(r, r, b),
            (rows,),
            20,
            0,
            2.0 * len(rows) ** 2 * 128,
        )

    def prob_cover(self):
        """Return ProbCover of 128 features, 100 picks."""
        b, rows = self.picks(100), self.normal(self.size(20_000), 128)
        return Row(
            lambda r: functional.prob_cover(
                r, r, r[:0], b, radius=14.0, with_utilities=False
            ),
            lambda r: plain_cover(r, r, b, 14.0),
            (rows,),
            20,
            0,
            2.0 * len(rows) ** 2 * 128,
        )

    def density(self):
        """Return mean similarities of all pairs."""
        rows = self.normal(self.size(20_000), 64)
        return Row(
            lambda r: functional.density(r, r, math.sqrt(128)),
            lambda r: plain_density(r, r),
            (rows,),
            None,
            0,
            2.0 * len(rows) ** 2 * 64,
        )

    def neighbors(self):
        """Return the 11 nearest of all rows."""
        rows = self.normal(self.size(20_000), 64)
        return Row(
            lambda r: functional.nearest_neighbors(r, r, 11),
            lambda r: plain_neighbors(r, r),
            (rows,),
            None,
            0,
            2.0 * len(rows) ** 2 * 64,
        )

    def query(self, strategy, plain, n_passes, goal, precision=None):
        """Return a query over 60,000 images, 1,000 of them labelled."""
        n, n_known = self.size(60_000, 400), self.size(1_000, 100)
        source, b = np.random.default_rng(0), self.picks(100)
        y_true = source.integers(0, 10, n)
        X = source.normal(size=(n, 1, 28, 28)).astype(np.float32)
        X[:, 0, :5, :5] += (y_true / 3)[:, None, None]
        y = np.where(np.arange(n) < n_known, y_true, -1)
        net = make_net(
            ConvNet,
            lr=1e-3,
            batch_size=64,
            max_epochs=2,
            device=str(self.device),
        )
        clf = MCDropoutClassifier(net, N_DRAWS, classes=range(10), random_state=0)
        clf.fit(X, y)
        module = clf.nets_[0].module_.eval()
        known, images = torch.from_numpy(X).split([n_known, n - n_known])
        # two convolutions once, the hidden layer for each draw
        once = 28 * 28 * 16 * 25 + 14 * 14 * 32 * 16 * 25
        operations = 2.0 * n * (once + n_passes * (7 * 7 * 32 * 128 + 128 * 10))

        def ask(X, y):
            with inference_precision(precision) if precision else nullcontext():
                return strategy.query(X, y, clf, fit_clf=False, batch_size=b)

        return Row(
            ask,
            lambda *_: plain(module, known, images, self.device, b),
            (X, y),
            goal,
            0,
            operations,
        )


def plain_bald_query(module, _, images, device, n_picks):
    """Return the largest mutual information."""
    return plain_bald(plain_draws(module, images, device)).topk(n_picks).indices.cpu()


def plain_margin_query(module, _, images, device, n_picks):
    """Return the smallest differences of the two largest mean probabilities."""
    two = plain_draws(module, images, device).mean(0).topk(2).values
    return (two[:, 1] - two[:, 0]).topk(n_picks).indices.cpu()


def plain_badge_query(module, _, images, device, n_picks):
    """Return seeds among gradients of mean predictions of plain passes."""
    proba = plain_draws(module, images, device).mean(0)
    rows = plain_pass(module, images, device, True)
    return plain_badge(proba, rows, n_picks).cpu()


def plain_core_set_query(module, known, images, device, n_picks):
    """Return the farthest embeddings."""
    rows, centers = (plain_pass(module, x, device, True) for x in (images, known))
    return plain_k_center(rows, centers, n_picks).cpu()


ROWS = {
    "bald, 20 x 1M x 10": lambda c: c.bald(1_000_000, 10, 0.6),
    "bald, 20 x 20k x 100": lambda c: c.bald(20_000, 100, 0.15),
    "epig, 400 x 100, 100 classes": lambda c: c.epig(),
    "core-set, 60k x 512, b = 100": lambda c: c.core_set(60_000, 100, 6),
    "core-set, 1M x 512, b = 1,000": lambda c: c.core_set(1_000_000, 1_000, 100),
    "badge, 60k x 512, C = 10, b = 100": lambda c: c.badge(60_000, 10, 100, 5),
    "badge, 1M x 512, C = 100, b = 1,000": lambda c: c.badge(1_000_000, 100, 1_000, 80),
    "batchbald, iid draws, 10k, b = 10": lambda c: c.batch_bald(10_000, 10, 10_000, 40),
    "batchbald, linear draws, 10k, b = 10": lambda c: c.batch_bald(
        10_000, 10, 10_000, 100, is_linear=True
    ),
    "batchbald, iid draws, 60k, b = 50": lambda c: c.batch_bald(60_000, 50, 2_000, 300),
    "bait, 50k x 128, C = 10, b = 100": lambda c: c.bait(),
    "lcmd, 60k x 128, b = 100": lambda c: c.lcmd(),
    "maxdet, 60k x 128, b = 100": lambda c: c.max_det(),
    "maxherding, 20k x 128, b = 100": lambda c: c.max_herding(),
    "probcover, 20k x 128, b = 100": lambda c: c.prob_cover(),
    "density, 20k squared": lambda c: c.density(),
    "neighbours, 11 of 20k": lambda c: c.neighbors(),
    "query of 60k images, bald": lambda c: c.query(
        BALD(n_samples=N_DRAWS, random_state=0), plain_bald_query, N_DRAWS, 180
    ),
    "query of 60k images, bald in bfloat16": lambda c: c.query(
        BALD(n_samples=N_DRAWS, random_state=0),
        plain_bald_query,
        N_DRAWS,
        180,
        "bfloat16",
    ),
    "query of 60k images, margin": lambda c: c.query(
        MarginSampling(random_state=0), plain_margin_query, N_DRAWS, 180
    ),
    "query of 60k images, badge": lambda c: c.query(
        Badge(random_state=0), plain_badge_query, N_DRAWS, 220
    ),
    "query of 60k images, core-set": lambda c: c.query(
        CoreSet(random_state=0), plain_core_set_query, 1, 220
    ),
}


def measure(call, args, device):
    """Return milliseconds and MiB of a call, after a first one, which compiles."""
    is_card = device.type == "cuda"

    def wait():
        if is_card:
            torch.cuda.synchronize(device)

    call(*args)
    seconds: list[float] = []
    before = torch.cuda.memory_allocated(device) if is_card else 0
    if is_card:
        torch.cuda.reset_peak_memory_stats(device)
    while len(seconds) < 5 and sum(seconds) < _SECONDS_A_ROW:
        wait()
        started = time.perf_counter()
        call(*args)
        wait()
        seconds.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated(device) - before if is_card else 0
    return 1e3 * statistics.median(seconds), peak / 2**20


def ceilings(device):
    """Return bytes a second of a copy and operations a second of a product."""
    side = 8192 if device.type == "cuda" else 512
    left, right = torch.randn(2, side, side, device=device)
    long = torch.randn(16 * side * side, device=device)
    other = torch.empty_like(long)
    copy, _ = measure(other.copy_, (long,), device)
    product, _ = measure(torch.mm, (left, right), device)
    return 8e3 * long.numel() / copy, 2e3 * side**3 / product


def line(name, row, device, speeds):
    """Return a line of the table."""
    own, memory = measure(row.call, row.args, device)
    floor = 1e3 * max(row.n_bytes / speeds[0], row.n_operations / speeds[1])
    goal = "-" if row.goal is None else f"{row.goal:g}"
    cells = [name, f"{own:.2f}", f"{memory:.0f}"]
    if row.plain is None:
        cells += ["-", "-", "-"]
    else:
        other, others = measure(row.plain, row.args, device)
        cells += [f"{other:.2f}", f"{others:.0f}", f"{other / own:.1f} x"]
    is_met = "" if row.goal is None else ", met" if own <= row.goal else ", not met"
    return "| " + " | ".join([*cells, f"{goal}{is_met}", f"{floor:.2f}"]) + " |"


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes")
    parser.add_argument(
        "--rows", nargs="+", default=[""], help="beginnings of the names of rows"
    )
    parser.add_argument("--out", type=Path, help="file whose section is replaced")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("benchmarks gpu needs CUDA, and torch sees none.")
    chosen = {n: row for n, row in ROWS.items() if n.startswith(tuple(options.rows))}
    if not chosen:
        sys.exit(f"--rows {' '.join(options.rows)} names none of: {', '.join(ROWS)}.")
    speeds = ceilings(device)
    card = torch.cuda.get_device_name() if device.type == "cuda" else "the processor"
    about = (
        f"{card}, torch {torch.__version__}, {date.today()}: a copy moves "
        f"{speeds[0] / 1e12:.2f} TB/s, a product of float32 does "
        f"{speeds[1] / 1e12:.1f} TFLOP/s."
    )
    lines = [
        "| work | ours, ms | MiB | plain torch, ms | MiB | ratio | goal | floor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print(about, *lines, sep="\n", flush=True)
    for name, make in chosen.items():
        cases = Cases(device, options.scale)
        lines.append(line(name, make(cases), device, speeds))
        print(lines[-1], flush=True)
    if options.out:
        command = " ".join(["python -m benchmarks gpu", *sys.argv[1:]])
        write_section(
            options.out, "On a GPU", f"`{command}`, {about}\n\n" + "\n".join(lines)
        )
