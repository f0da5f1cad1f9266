"""What strategies, classifiers and comparisons answer at fixed seeds, as a file.

Two commits behave alike if their files are equal. From a checkout of each:

    PYTHONPATH=old python -P benchmarks/behaviour.py --out old.json
    PYTHONPATH=new python -P benchmarks/behaviour.py --out new.json --against old.json

``PYTHONPATH`` says whose ``skal_deep`` is asked; ``-P`` keeps this folder out of the
way, which has a file named as a module of Python. What is asked is said here, and by
the lists of the tests beside this folder.
"""

import argparse
import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

import skal_deep

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from strategies import STRATEGIES, VARIANTS, maker
from support import JOINT_MAKERS, MAKERS, POSTERIOR_MAKERS, make_net

from skal_deep.evaluation import SimulatedActiveLearner, compare_strategies
from skal_deep.pool import BALD, Badge, CoreSet
from skal_deep.testing._strategy_case import Case

# What a machine measures of itself, or a commit says of itself; a checksum is of both.
_MEASURED = ("seconds", "peak", "version", "code", "checksum")


def main():
    """Record, and compare with a record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--against", type=Path, help="file to compare with")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {**queries(), **curves(), **predictions(), **run_directory()}
    args.out.write_text(json.dumps(found, indent=0))
    print(f"{len(found)} answers of {Path(skal_deep.__file__).parent} in {args.out}")
    if args.against:
        differences = list(compare(json.loads(args.against.read_text()), found))
        print(*differences, f"{len(differences)} differ", sep="\n")


def cases():
    """Yield each strategy with data and a classifier for it."""
    for name, strategy in (STRATEGIES | VARIANTS).items():
        yield name, Case(strategy, False, maker(strategy))


def queries():
    """Return the picks and utilities of each strategy."""
    answers = {}
    for name, case in cases():
        picks, utilities = case.query(batch_size=4, return_utilities=True)
        answers[f"picks of {name}"] = picks.tolist()
        answers[f"utilities of {name}"] = numbers(utilities)
    return answers


def curves():
    """Return what each strategy labels in a simulation, and what it gains."""
    answers = {}
    for name, case in cases():
        learner = SimulatedActiveLearner(
            case.classifier(),
            case.strategy(random_state=None),
            n_initial=6,
            batch_size=3,
            n_cycles=2,
            random_state=0,
        ).fit(case.X, case.y_true)
        answers[f"simulated picks of {name}"] = [
            np.asarray(rows).tolist() for rows in learner.query_indices_
        ]
        answers[f"curve of {name}"] = {
            key: np.asarray(values).tolist()
            for key, values in without_measured(learner.learning_curve_).items()
        }
    return answers


def predictions():
    """Return what each classifier predicts."""
    case = Case(BALD())
    answers = {}
    for kind, make in (MAKERS | JOINT_MAKERS | POSTERIOR_MAKERS).items():
        clf = make(make_net(max_epochs=6), classes=[0, 1, 2], random_state=0)
        clf.fit(case.X, case.y)
        answers[f"probabilities of {kind}"] = numbers(clf.predict_proba(case.X))
    return answers


def run_directory():
    """Return the files of a comparison, without what is measured."""
    case = Case(BALD())
    with tempfile.TemporaryDirectory() as folder:
        compare_strategies(
            {"BALD": BALD(), "Badge": Badge(), "core-set": CoreSet()},
            case.classifier().set_params(classes=None),
            case.X,
            case.y_true,
            n_initial=6,
            batch_size=3,
            n_cycles=2,
            n_repeats=2,
            run_dir=folder,
            progress=False,
            random_state=0,
        )
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {
            f"file {path.relative_to(folder)}": [
                without_measured(entry) for entry in entries(path)
            ]
            for path in files
        } | {"names of files": [str(path.relative_to(folder)) for path in files]}


def entries(path):
    """Return what a file holds: an entry a line, or one."""
    texts = path.read_text().splitlines()
    if path.suffix == ".json":
        texts = ["".join(texts)]
    return [json.loads(text) for text in texts]


def without_measured(row):
    """Return an entry of a file without what differs from run to run."""
    return {
        key: value
        for key, value in row.items()
        if not any(word in key for word in _MEASURED)
    }


def numbers(array):
    """Return numbers as text that keeps every bit."""
    return [None if np.isnan(x) else float(x).hex() for x in np.ravel(array)]


def compare(old, new):
    """Yield what differs between two records, in words."""
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            yield f"{name}: only {'before' if name in old else 'after'}"
        elif old[name] != new[name]:
            yield f"{name}: {distance(old[name], new[name])}"


def distance(old, new):
    """Return how far two answers are apart."""
    try:
        pairs = [
            [np.nan if x is None else float.fromhex(x) for x in answer]
            for answer in (old, new)
        ]
        return f"up to {np.nanmax(np.abs(np.subtract(*pairs))):.1e}"
    except (TypeError, ValueError):
        return f"{old!s:.100} -> {new!s:.100}"


if __name__ == "__main__":
    main()
