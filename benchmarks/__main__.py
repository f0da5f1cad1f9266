"""Run ``python -m benchmarks NAME``; the names are below."""

import importlib
import sys

NAMES = (
    "afternoon",
    "around",
    "bandit",
    "bank",
    "behaviour",
    "board",
    "campaigns",
    "costs",
    "embedded",
    "ensembles",
    "every",
    "folder",
    "generated",
    "gpu",
    "kernels",
    "large",
    "learned",
    "low-budget",
    "noise",
    "overhead",
    "posteriors",
    "query",
    "rare",
    "real",
    "redundancy",
    "regression",
    "repeated",
    "scaling",
    "ssl",
    "threads",
    "trust",
    "whole-queries",
)

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: python -m benchmarks {{{','.join(NAMES)}}} [options]")
    name = sys.argv.pop(1)
    importlib.import_module(f"benchmarks.{name.replace('-', '_')}").main()
