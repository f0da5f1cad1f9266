"""Kernels on a card, beside the obvious few lines of plain torch on the same card.

    python -m benchmarks gpu [--device cuda] [--scale 1.0]

Prints the median time of five calls, the largest memory beside the inputs, and the
ratio. Needs CUDA; with ``--device cpu --scale 0.01`` it shows that it runs.
"""

import argparse
import math
import statistics
import sys
import time

import torch

from skal_deep import functional


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


def plain_badge(proba, rows, n_picks):
    """Return k-means++ seeds by factors of gradients."""
    error = proba - torch.nn.functional.one_hot(proba.argmax(1), proba.shape[1])
    norm = error.square().sum(1) * rows.square().sum(1)
    nearest, picks = norm, [norm.argmax()]
    for _ in range(n_picks - 1):
        at = picks[-1]
        inner = (error @ error[at]) * (rows @ rows[at])
        nearest = nearest.minimum((norm + norm[at] - 2 * inner).clamp_min(0))
        picks.append(torch.multinomial(nearest, 1)[0])
    return torch.stack(picks)


def cases(device, scale):
    """Yield a name, our call and the plain one."""
    source = torch.Generator(device).manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=source, device=device)

    def size(n):
        return max(64, int(n * scale))

    for n, c in ((1_000_000, 10), (20_000, 100)):
        draws = normal(20, size(n), c).softmax(-1)
        yield f"bald 20 x {size(n):,} x {c}", functional.bald, plain_bald, (draws,)
    draws, targets = (
        normal(20, size(400), 100).softmax(-1),
        normal(20, 100, 100).softmax(-1),
    )
    yield (
        f"epig {size(400)} x 100, 100 classes",
        functional.epig,
        plain_epig,
        (draws, targets),
    )
    rows, centers = normal(size(60_000), 512), normal(size(1_000), 512)
    picks = min(100, len(rows))
    yield (
        f"core-set {len(rows):,} x 512",
        lambda r, k: functional.k_center_greedy(r, k, picks, with_utilities=False),
        lambda r, k: plain_k_center(r, k, picks),
        (rows, centers),
    )
    proba = normal(len(rows), 10).softmax(-1)
    yield (
        f"badge {len(rows):,} x 512, 10 classes",
        lambda p, r: functional.badge(p, r, picks, with_utilities=False),
        lambda p, r: plain_badge(p, r, picks),
        (proba, rows),
    )
    rows = normal(size(20_000), 64)
    yield (
        f"density {len(rows):,} squared",
        lambda r: functional.density(r, r, math.sqrt(128)),
        lambda r: plain_density(r, r),
        (rows,),
    )
    yield (
        f"11 neighbours {len(rows):,} squared",
        lambda r: functional.nearest_neighbors(r, r, 11),
        lambda r: plain_neighbors(r, r),
        (rows,),
    )
    yield (
        f"max herding {len(rows):,} squared, 10 picks",
        lambda r: functional.max_herding(
            r, r, r[:0], 10, bandwidth=8.0, with_utilities=False
        ),
        lambda r: plain_herding(r, r, 10),
        (rows,),
    )


def measure(call, args, device):
    """Return milliseconds and MiB of a call."""
    is_card = device.type == "cuda"

    def wait():
        if is_card:
            torch.cuda.synchronize(device)

    seconds = []
    before = torch.cuda.memory_allocated(device) if is_card else 0
    if is_card:
        torch.cuda.reset_peak_memory_stats(device)
    for _ in range(6):
        wait()
        started = time.perf_counter()
        call(*args)
        wait()
        seconds.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated(device) - before if is_card else 0
    return 1e3 * statistics.median(seconds[1:]), peak / 2**20


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("benchmarks gpu needs CUDA, and torch sees none.")
    print("| kernel | ours, ms | MiB | plain torch, ms | MiB | ratio |")
    print("|---|---|---|---|---|---|")
    for name, ours, plain, args in cases(device, options.scale):
        (own, memory), (other, others) = (
            measure(call, args, device) for call in (ours, plain)
        )
        print(
            f"| {name} | {own:.2f} | {memory:.0f} | {other:.2f} | {others:.0f} | "
            f"{other / own:.1f} x |",
            flush=True,
        )
