"""What the first command of the README costs, by two states of the code.

    PYTHONPATH=old python -P benchmarks/first_command.py old.json
    PYTHONPATH=new python -P benchmarks/first_command.py new.json --against old.json

``PYTHONPATH`` says whose ``skal_deep`` is asked; ``-P`` keeps this folder out of the
way. The command runs in a process of its own, with one thread and one job in place of
two, and with one repeat in place of five unless ``--repeats`` says more. A file keeps
the least processor time of all runs that wrote to it: call both lines by turns. Start
and imports count; so does the report, and more repeats make their share smaller.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

STRATEGIES = "random,bald,batchbald,badge,coreset,vaal"


def processor_seconds(n_repeats):
    """Return the processor seconds of the command."""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [
                *(sys.executable, "-m", "skal_deep", "compare", "--data", "digits"),
                *("--strategies", STRATEGIES, "--repeats", str(n_repeats)),
                *("--jobs", "1", "--out", folder),
            ],
            check=True,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    """Measure, and compare with another state."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--against", type=Path, help="file of another state")
    parser.add_argument("--repeats", type=int, default=1, help="of the comparison")
    args = parser.parse_args()
    seconds = processor_seconds(args.repeats)
    if args.out.exists():
        seconds = min(seconds, json.loads(args.out.read_text()))
    args.out.write_text(json.dumps(seconds))
    print(f"{seconds:.1f} s")
    if args.against:
        before = json.loads(args.against.read_text())
        print(f"{before:.1f} s by the other: {before / seconds:.2f} times as fast")


if __name__ == "__main__":
    main()
