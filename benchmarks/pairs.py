"""What kernels of pairs of rows cost, by two states of the code.

    PYTHONPATH=old python -P benchmarks/pairs.py old.json
    PYTHONPATH=new python -P benchmarks/pairs.py new.json --against old.json

``PYTHONPATH`` says whose ``skal_deep`` is asked; ``-P`` keeps this folder out of the
way. Rows of 64 numbers, for neighbours and MaxHerding in 50 clusters of 8 dimensions.
Neighbours are those of all distances where a state knows no others; among 100,000 rows
those of 500 are sought then, and their time is scaled up. Processor time of one thread.
A file keeps the least of all runs that wrote to it: call both lines by turns.
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path

import torch
from torch.nn.functional import normalize

import skal_deep
from skal_deep import functional

D = 64


def clusters(n, source):
    """Return rows of 50 clusters, 8-dimensional among 64."""
    member = torch.randint(50, (n,), generator=source)
    center = 2 * torch.randn(50, D, generator=source)
    spread = torch.randn(50, 8, D, generator=source) / 3
    inside = torch.randn(n, 8, generator=source)
    rows = center[member]
    for group in range(50):
        rows[member == group] += inside[member == group] @ spread[group]
    return rows


def cases():
    """Yield names, calls, and of how much of the work a call is one part."""
    source = torch.Generator().manual_seed(0)
    for n, m in ((1_000, 100_000), (100, 1_000_000)):
        rows, data = (torch.randn(size, D, generator=source) for size in (n, m))
        yield f"density, {n:,} x {m:,}", partial(functional.density, rows, data), 1
    for n in (30_000, 100_000):
        rows, find, part = clusters(n, source), functional.nearest_neighbors, 1
        if hasattr(functional, "grouped_neighbors"):
            find = functional.grouped_neighbors
        elif n > 50_000:
            part = n // 500
        call = partial(find, rows if part == 1 else rows[:500], rows, 11)
        yield f"11 neighbours, {n:,}", call, part
    rows = normalize(clusters(20_000, source))
    no_utilities = {"with_utilities": False}
    call = partial(functional.max_herding, rows, rows, rows[:0], 10, bandwidth=1.0)
    yield "MaxHerding, 10 of 20,000", partial(call, **no_utilities), 1
    rows = torch.randn(1_000_000, D, generator=source)
    call = partial(functional.k_center_greedy, rows[1:], rows[:1], 100)
    yield "core-set, 100 of 1,000,000, one label", partial(call, **no_utilities), 1


def least_seconds(call):
    """Return the least processor seconds of three calls, of more if they are short."""
    seconds = []
    while len(seconds) < 3 or (sum(seconds) < 4 and len(seconds) < 12):
        started = time.process_time()
        call()
        seconds.append(time.process_time() - started)
    return min(seconds)


def main():
    """Measure, and compare with another state."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--against", type=Path, help="file of another state")
    args = parser.parse_args()
    torch.set_num_threads(1)
    known = json.loads(args.out.read_text()) if args.out.exists() else {}
    before = json.loads(args.against.read_text()) if args.against else {}
    print(Path(skal_deep.__file__).parent)
    for name, call, part in cases():
        seconds = part * least_seconds(call)
        known[name] = seconds = min(seconds, known.get(name, seconds))
        told = [f"{seconds:.2f}"]
        if before:
            told = [f"{before[name]:.2f}", *told, f"{before[name] / seconds:.1f}"]
        print("|", " | ".join([name, *told]), "|", flush=True)
    args.out.write_text(json.dumps(known))


if __name__ == "__main__":
    main()
