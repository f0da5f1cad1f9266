"""Calls with arguments that are wrong in random ways, and what may come of them.

A call may work, or say in an exception that somebody wrote what is wrong. It may not
fail by accident, change what it was given, or move a global generator.
"""

import gzip
import io
import linecache
import random
import sys
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from strategies import STRATEGIES
from support import MAKERS, make_net

from skal_deep import cli
from skal_deep.datasets import load
from skal_deep.evaluation import (
    SimulatedActiveLearner,
    compare_strategies,
    does_al_help,
)
from skal_deep.modules import MLP
from skal_deep.pool import BALD, Badge, CoreSet, MarginSampling

N, D = 24, 3
_RAISERS = ("skal_deep", "sklearn", "skactiveml", "skorch", "pandas", "argparse.py")
# What numpy, Python and torch say themselves, and say well.
_CLEAR = (
    "setting an array element with a sequence",
    "could not convert string to float",
    "inhomogeneous shape",
    "float() argument must be",
    "must be real number",
    "unexpected keyword argument",
    "missing 1 required positional argument",
    "[Errno ",  # of the operating system, with the path
    "np.nan",
)
_STRATEGIES = {
    name: strategy
    for name, strategy in STRATEGIES.items()
    if name not in ("VAAL", "DEAL", "DFAL", "AdversarialBIM", "CLUE")
}


def base_arrays(rng):
    """Return inputs and labels of three classes, half of them known."""
    X = rng.normal(size=(N, D)).astype(np.float32)
    y = np.arange(N) % 3
    X[:, 0] += y
    return X, y


def junk(rng, X, y):
    """Return something that is hardly ever meant."""
    choices = [
        None,
        float("nan"),
        float("inf"),
        -1,
        0,
        1.5,
        True,
        2**63,
        "a",
        "",
        b"x",
        [],
        {},
        {"a": 1},
        object(),
        LogisticRegression,
        Ridge(),
        lambda *args: None,
        np.zeros((0, D)),
        np.zeros(0),
        np.float64(3),
        X[:, 0],
        X[:, :1],
        X[:-1],
        X[:, :, None, None],
        np.full_like(X, np.nan),
        np.where(X > 1, np.inf, X),
        X * 1e30,
        X.astype(np.float16),
        X.astype(np.int8),
        X.astype(complex),
        X.astype(object),
        X.astype(str),
        X.tolist(),
        np.asfortranarray(X),
        X[::-1],
        scipy.sparse.csr_matrix(X),
        pd.DataFrame(X, columns=list("abc")),
        torch.as_tensor(X),
        np.ma.masked_greater(X, 1),
        y,
        y[:-1],
        y[:, None],
        y.astype(float),
        y + 0.5,
        y.astype(str),
        y.astype(bool),
        y.astype(object),
        np.full(N, -1),
        np.zeros(N, int),
        np.where(y > 1, -1, y),
        np.array(["a", None] * (N // 2), dtype=object),
        ["a", float("nan")] * (N // 2),
        pd.Series(y),
        pd.Series(y).astype("Int64").where(y > 0),
        pd.Categorical(y.astype(str)),
        pd.Series(y.astype(str), dtype="string"),
        y.astype("M8[D]"),
        np.arange(N),
        np.array([0, 0]),
        np.array([-1]),
        np.array([10**6]),
        range(5),
        np.random.default_rng(0),
        np.random.RandomState(0),
    ]
    return choices[rng.integers(len(choices))]


def spoilt(rng, arguments, X, y, keep=()):
    """Return the arguments, up to two of them replaced by junk."""
    spoil = [name for name in arguments if name not in keep]
    for name in rng.choice(
        spoil, size=min(len(spoil), rng.integers(0, 3)), replace=False
    ):
        arguments[name] = junk(rng, X, y)
    return arguments


def small_net(**params):
    return make_net(MLP, max_epochs=3, **params)


def classifier(rng, classes=(0, 1, 2)):
    kinds = [
        LogisticRegression(),
        RandomForestClassifier(n_estimators=3),
        make_pipeline(StandardScaler(), LogisticRegression()),
        MAKERS["deep"](small_net(), classes=classes),
        MAKERS["dropout"](small_net(), classes=classes),
        MAKERS["ensemble"](small_net(), classes=classes),
        MAKERS["laplace"](small_net(), classes=classes),
    ]
    return kinds[rng.integers(len(kinds))]


def call_query(rng, folder):
    X, y = base_arrays(rng)
    name = rng.choice(list(_STRATEGIES))
    arguments = {
        "X": X,
        "y": np.where(np.arange(N) < N // 2, y, -1),
        "clf": classifier(rng),
        "fit_clf": True,
        "sample_weight": None,
        "candidates": None,
        "batch_size": 2,
        "return_utilities": False,
        "reg": None,
    }
    arguments = spoilt(rng, arguments, X, y)
    strategy = clone(_STRATEGIES[name])
    return f"{name}.query", strategy.query, arguments


def call_fit(rng, folder):
    X, y = base_arrays(rng)
    kind = rng.choice(list(MAKERS))
    arguments = {"X": X, "y": y, "sample_weight": None}
    params = spoilt(
        rng,
        {"classes": None, "missing_label": -1, "random_state": 0, "cost_matrix": None},
        X,
        y,
    )
    arguments = spoilt(rng, arguments, X, y)

    def fit(**given):
        return MAKERS[kind](small_net(), **params).fit(**given)

    return f"{kind}.fit({params})", fit, arguments


_FITTED = {}


def call_predict(rng, folder):
    X, y = base_arrays(np.random.default_rng(0))
    kind = rng.choice(list(MAKERS))
    if kind not in _FITTED:
        _FITTED[kind] = MAKERS[kind](small_net(), random_state=0).fit(X, y)
    clf = _FITTED[kind]
    methods = {
        "predict": {"X": X},
        "predict_proba": {"X": X},
        "score": {"X": X, "y": y, "sample_weight": None},
        "embed": {"X": X},
    }
    if hasattr(clf, "sample_proba"):
        methods["sample_proba"] = {"X": X, "n_samples": 3, "random_state": 0}
    name = rng.choice(list(methods))
    return f"{kind}.{name}", getattr(clf, name), spoilt(rng, methods[name], X, y)


def simulation(rng, X, y):
    return {
        "n_initial": 4,
        "batch_size": 2,
        "n_cycles": 1,
        "initial": rng.choice(["random", "stratified"]).item(),
        "retrain": "scratch",
        "scoring": rng.choice(["accuracy", "roc_auc_ovr", "f1", "neg_ece"]).item(),
        "test_size": 0.25,
        "label_noise": 0.0,
        "n_copies": 1,
        "copy_noise": 0.1,
        "missing_label": -1,
        "random_state": 0,
    }


def call_simulator(rng, folder):
    X, y = base_arrays(rng)
    params = {"estimator": classifier(rng, None), "query_strategy": MarginSampling()}
    params = spoilt(rng, params | simulation(rng, X, y), X, y)
    data = {"X": X, "y": y, "X_test": None, "y_test": None, "cost": None}

    def simulate(X, y, X_test, y_test, cost, **given):
        return SimulatedActiveLearner(**given).fit(X, y, X_test, y_test, cost)

    return "simulator", simulate, params | spoilt(rng, data, X, y)


def _comparison(rng):
    X, y = base_arrays(rng)
    arguments = {
        "strategies": rng.choice(
            np.array(
                [[CoreSet()], {"m": MarginSampling()}, [BALD()], [Badge()]], object
            )
        ),
        "estimator": classifier(rng, None),
        "X": X,
        "y": y,
        "X_test": None,
        "y_test": None,
        "n_repeats": 2,
        "cost": None,
        "references": None,
        **simulation(rng, X, y),
    }
    return {**spoilt(rng, arguments, X, y), "progress": False}


def call_compare(rng, folder):
    def compare(**given):
        comparison = compare_strategies(**given)
        comparison.to_json(folder / "results.json")
        return comparison.summary()

    return "compare", compare, _comparison(rng)


def call_does_al_help(rng, folder):
    arguments = _comparison(rng)
    arguments["param_grid"] = rng.choice(
        np.array([None, None, {"C": [1, 2]}, {"no": [1]}, 3, {}], object)
    )
    return "does_al_help", lambda **given: repr(does_al_help(**given)), arguments


def _file(rng, folder):
    """Return a file of data, damaged in some places or none."""
    X, y = base_arrays(rng)
    kind = rng.choice(["npz", "csv", "tsv", "gz"]).item()
    if kind == "npz":
        content = io.BytesIO()
        label = [y, y.astype(str), y - 0.5, y[:-1], X][rng.integers(5)]
        np.savez(content, X=[X, X.astype(str), X * np.nan][rng.integers(3)], y=label)
        content = content.getvalue()
    elif kind == "gz":
        content = gzip.compress(b"\0\0\x08\x01\0\0\0\x18" + bytes(N))
    else:
        mark = rng.choice([",", ";", "\t", "|"]).item()
        words = ["", "nan", "01", "1", "-1", "jay", "1.5", "\0", '"', "$", "=1", "é"]
        words = words[: rng.integers(2, len(words))]
        lines = ["a|b|label", *(f"{a}|{b}|{rng.choice(words)}" for a, b, _ in X)]
        content = "\n".join(lines[rng.integers(2) :]).replace("|", mark).encode()
    content = bytearray(content)
    for at in rng.integers(len(content), size=rng.choice([0, 0, 1, 5])):
        content[at] = rng.integers(256)
    if rng.random() < 0.2:
        content = content[: rng.integers(len(content))]
    suffix = kind if rng.random() < 0.9 else rng.choice(["npz", "csv"])
    path = folder / f"data{rng.integers(10**9)}.{suffix}"
    path.write_bytes(content)
    return path


def call_loader(rng, folder):
    X, y = base_arrays(rng)
    arguments = {"source": _file(rng, folder), "label": None}
    if rng.random() < 0.3:
        arguments["label"] = rng.choice(["a", "label", "nope", ""])
    if rng.random() < 0.1:
        arguments["source"] = junk(rng, X, y)
    return "load", load, arguments


_OPTIONS = {
    "--strategies": ["random", "core-set", "badge,BADGE", "nope", "", "bald"],
    "--repeats": ["1", "2", "0", "x"],
    "--n-initial": ["4", "1", "100", "-3"],
    "--batch-size": ["2", "50", "1.5"],
    "--cycles": ["1", "0", "100000000000"],
    "--metrics": ["accuracy", "f1", "roc_auc_ovr", "neg_ece,neg_log_loss", "x", ","],
    "--initial": ["random", "stratified", "nope"],
    "--test-size": ["0.2", "5", "1000", "0.0001", "nan"],
    "--pool-size": ["10", "3", "1"],
    "--label-noise": ["0.2", "1", "nan"],
    "--copies": ["2", "0"],
    "--copy-noise": ["0.5", "inf"],
    "--device": ["cpu", "meta", "nope", "cuda:77"],
    "--model": ["mlp", "cnn", "x"],
    "--retrain": ["warm", "shrink_perturb"],
    "--label": ["a", "label", ""],
    "--lr": ["0.1", "1e30", "nan"],
    "--dropout": ["0.1", "0.999", "0"],
    "--seed": ["1", "99999999999999999999"],
}


def call_main(rng, folder):
    options = {
        "--data": str(_file(rng, folder)),
        "--strategies": "core-set",
        "--repeats": "2",
        "--n-initial": "4",
        "--batch-size": "2",
        "--cycles": "1",
        "--epochs": "1",
        "--samples": "2",
        "--jobs": "1",
        "--out": str(folder / f"out{rng.integers(10**9)}"),
    }
    for name in rng.choice(list(_OPTIONS), size=rng.integers(0, 4), replace=False):
        options[name] = rng.choice(_OPTIONS[name]).item()
    if options["--cycles"] == "100000000000":
        options["--cycles"] = "1000"  # ends when the pool does
    argv = ["compare", "--quiet", *(part for item in options.items() for part in item)]
    return "main", cli.main, {"argv": argv}


TARGETS = {
    call_query: 10,
    call_fit: 8,
    call_predict: 8,
    call_simulator: 6,
    call_compare: 3,
    call_does_al_help: 2,
    call_loader: 8,
    call_main: 2,
}


def generators():
    """Return the state of every global generator."""
    return joblib.hash(
        [random.getstate(), np.random.get_state(), torch.get_rng_state().numpy()]
    )


def is_clear(error):
    """Return whether somebody wrote this exception for those who see it."""
    if isinstance(error, SystemExit):
        return error.code in (0, 2)
    if not isinstance(error, ValueError | TypeError | OSError) or len(str(error)) < 10:
        return False
    if any(words in str(error) for words in _CLEAR):
        return True
    frame = traceback.extract_tb(error.__traceback__)[-1]
    is_raised = linecache.getline(frame.filename, frame.lineno).strip()
    return is_raised.startswith("raise") and any(
        part in frame.filename for part in _RAISERS
    )


def fuzzed(n_calls, seed, folder: Path):
    """Return what went wrong in so many calls: a text for each fault."""
    rng, faults = np.random.default_rng(seed), []
    weights = np.array(list(TARGETS.values()))
    for number in range(n_calls):
        make = rng.choice(np.array(list(TARGETS), object), p=weights / weights.sum())
        call_rng = np.random.default_rng([seed, number])
        name, call, arguments = make(call_rng, folder)
        before, state, error = _prints(arguments), generators(), None
        try:
            with (
                warnings.catch_warnings(),
                np.errstate(all="ignore"),
                redirect_stdout(io.StringIO()),
                redirect_stderr(io.StringIO()),
            ):
                warnings.simplefilter("ignore")
                call(**arguments)
        except (Exception, SystemExit) as raised:
            error = raised
        plt.close("all")
        wrong = []
        if error is not None and not is_clear(error):
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{frame.filename}:{frame.lineno}"
            wrong.append(f"{type(error).__name__}: {str(error)[:300]} at {where}")
        after = _prints(arguments)
        wrong += [
            f"{key} changed ({type(arguments[key])})"
            for key in before
            if before[key] != after[key]
        ]
        if generators() != state:
            wrong.append("a global generator moved")
        faults += [f"seed [{seed}, {number}] {name}: {text}" for text in wrong]
    return faults


def _prints(arguments):
    """Return a hash of each argument, where it has one."""
    return {name: _print(value) for name, value in arguments.items()}


def _print(value):
    if isinstance(value, dict):
        return {key: _print(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_print(item) for item in value]
    if isinstance(value, pd.DataFrame | pd.Series | pd.Categorical):
        return repr((type(value), list(np.asarray(value, dtype=object).ravel())))
    if isinstance(value, np.ndarray) and value.dtype == object:
        return repr(value.tolist())
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if scipy.sparse.issparse(value):  # which notes by itself whether it is sorted
        return repr((type(value), value.dtype, value.toarray().tolist()))
    try:
        return joblib.hash(value)
    except Exception:  # a lambda, say
        return repr(value)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        found = fuzzed(int(sys.argv[1]), int(sys.argv[2]), Path(name))
    sys.stdout.write("\n".join(found) + f"\n{len(found)} faults\n")
