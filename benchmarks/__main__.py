"""Run ``python -m benchmarks NAME``: kernels, low-budget, overhead, ..."""

import importlib
import sys

NAMES = ("kernels", "low-budget", "overhead", "redundancy", "scaling")

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: python -m benchmarks {{{','.join(NAMES)}}} [options]")
    name = sys.argv.pop(1)
    importlib.import_module(f"benchmarks.{name.replace('-', '_')}").main()
