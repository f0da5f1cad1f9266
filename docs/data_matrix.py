"""Writes docs/data_matrix.md: which strategy takes which rows through which model.

Run ``python docs/data_matrix.py``; it takes some minutes. Each cell is a query that is
made three times: as it is, with the rows stored in another order, and with candidates
given as rows. Where the picks differ, the script fails.
"""

import inspect
import re
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_matrix
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    OneHotEncoder,
    StandardScaler,
)
from skorch import NeuralNetClassifier
from torch import nn

from skal_deep import pool
from skal_deep.classifier import MCDropoutClassifier
from skal_deep.modules import MLP
from skal_deep.pool import (
    BALD,
    VAAL,
    AdaptiveStrategy,
    AnchorAL,
    Badge,
    CoreSet,
    DeepQueryStrategy,
    MarginSampling,
    MixedScore,
    SwitchStrategy,
)

PAGE = Path(__file__).with_name("data_matrix.md")
KINDS = ("array", "memmap", "DataFrame", "texts", "files", "sparse", "dict")
MODELS = ("plain net", "our classifier", "Pipeline", "LogisticRegression", "forest")
WORKS = "yes"
_N, _N_LABELED = 40, 16


class OfDict(nn.Module):
    """A small net of tokens, their mask and a number."""

    def __init__(self, n_classes=2):
        super().__init__()
        self.words = nn.Embedding(10, 6, padding_idx=0)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(7, n_classes)

    def forward(self, tokens, mask, number):
        """Return logits."""
        weight = (mask / mask.sum(1, keepdim=True))[..., None]
        mean = (self.words(tokens) * weight).sum(1)
        return self.head(self.drop(torch.cat([mean, number[:, None]], 1)))


def side_by_side(parts: dict[str, Any]) -> Any:
    """Return the arrays of a dict as columns."""
    return np.column_stack([parts[name] for name in sorted(parts)]).astype(np.float32)


@cache
def folder() -> Path:
    """Return a folder for files, which is there as long as the process."""
    kept = tempfile.TemporaryDirectory()
    _KEPT.append(kept)
    return Path(kept.name)


_KEPT: list[Any] = []


@cache
def data(kind: str) -> tuple[Any, Any, Any]:
    """Return rows of a kind, their labels, and the steps before a model for vectors."""
    rng = np.random.default_rng(0)
    array = rng.normal(size=(_N, 4)).astype(np.float32)
    labels = (array[:, 0] > 0).astype(int)
    y = np.where(np.arange(_N) < _N_LABELED, labels, -1)
    words = rng.choice(["red", "green", "blue", "grey"], (_N, 5))
    texts = [
        f"{'good' if label else 'bad'} {' '.join(row)} number{at}"
        for at, (label, row) in enumerate(zip(labels, words, strict=True))
    ]
    if kind == "array":
        return array, y, [StandardScaler()]
    if kind == "memmap":
        path = folder() / "X.npy"
        np.save(path, array)
        return np.load(path, mmap_mode="r"), y, [StandardScaler()]
    if kind == "DataFrame":
        frame = pd.DataFrame(array[:, :2], columns=["width", "height"])
        frame.loc[::7, "height"] = np.nan
        frame["colour"] = words[:, 0]
        numbers = make_pipeline(SimpleImputer(), StandardScaler())
        steps = make_column_transformer(
            (numbers, ["width", "height"]),
            (OneHotEncoder(handle_unknown="ignore"), ["colour"]),
        )
        return frame, y, [steps]
    if kind == "texts":
        return texts, y, [TfidfVectorizer()]
    if kind == "files":
        paths = [folder() / f"{at}.txt" for at in range(_N)]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return paths, y, [TfidfVectorizer(input="filename")]
    if kind == "sparse":
        return csr_matrix(np.where(np.abs(array) > 0.3, array, 0)), y, [MaxAbsScaler()]
    tokens = rng.integers(1, 10, size=(_N, 5))
    tokens[:, 0] = 1 + labels
    mask = np.ones((_N, 5), np.float32)
    tokens[::3, 4] = mask[::3, 4] = 0
    rows = {"tokens": tokens, "mask": mask, "number": array[:, 0].astype(np.float64)}
    return rows, y, [FunctionTransformer(side_by_side)]


def _net(module: Any, **params: Any) -> NeuralNetClassifier:
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.03,
        max_epochs=3,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **params,
    )


def model(kind: str, name: str) -> Any:
    """Return a model; the Pipeline has the steps that rows of its kind need."""
    is_dict = kind == "dict"
    sizes: dict[str, Any] = {"module__n_classes": 2}
    if not is_dict:
        sizes |= {"module__n_features": 4, "module__dropout": 0.3}
    if name == "plain net":
        return _net(OfDict if is_dict else MLP, **sizes)
    if name == "LogisticRegression":
        return LogisticRegression()
    if name == "forest":
        return RandomForestClassifier(5, random_state=0)
    net = _net(OfDict) if is_dict else _net(MLP, module__dropout=0.3)
    if name == "our classifier":
        return MCDropoutClassifier(net, n_samples=6, classes=[0, 1], random_state=0)
    net = _net(MLP, module__dropout=0.3)
    clf = MCDropoutClassifier(net, n_samples=6, classes=[0, 1], random_state=0)
    return make_pipeline(*data(kind)[2], clf)


def strategies() -> dict[str, DeepQueryStrategy]:
    """Return every strategy by name, small enough to be asked many times.

    SelectionViaProxy is left out: it asks a model of its own.
    """
    small: dict[str, Any] = {
        "VAAL": VAAL(n_iterations=3, train_batch_size=8, latent_dim=4),
        "AnchorAL": AnchorAL(MarginSampling(), n_neighbors=3),
        "MixedScore": MixedScore([BALD(), MarginSampling()], late_weights=[1, 3]),
        "AdaptiveStrategy": AdaptiveStrategy([MarginSampling(), CoreSet()]),
        "SwitchStrategy": SwitchStrategy(CoreSet(), Badge(), when=1),
    }
    classes = {
        name: getattr(pool, name) for name in sorted(pool.__all__, key=str.lower)
    }
    return {
        name: small.get(name) or cls()
        for name, cls in classes.items()
        if inspect.isclass(cls)
        and issubclass(cls, DeepQueryStrategy)
        and not inspect.isabstract(cls)
        and name != "SelectionViaProxy"
    }


def some_rows(X: Any, rows: Any) -> Any:
    """Return rows as a user would take them."""
    if isinstance(X, dict):
        return {name: part[rows] for name, part in X.items()}
    if isinstance(X, list):
        return [X[row] for row in rows]
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def outcome(kind: str, model_name: str, strategy: str) -> str:
    """Return "yes", or why a query is refused."""
    X, y, _ = data(kind)
    asked = strategies()[strategy].set_params(random_state=0)
    order = np.random.default_rng(1).permutation(_N)
    unlabeled = np.flatnonzero(y == -1)
    clf = model(kind, model_name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picks = asked.query(X, y, clf, batch_size=3)
        except (TypeError, ValueError) as error:
            return _reason(str(error))
        elsewhere = asked.query(some_rows(X, order), y[order], clf, batch_size=3)
        as_rows = asked.query(
            X, y, clf, batch_size=3, candidates=some_rows(X, unlabeled)
        )
    for form, others in (
        ("stored in another order", order[elsewhere]),
        ("given as candidates", unlabeled[as_rows]),
    ):
        if not np.array_equal(picks, others):
            raise AssertionError(
                f"{strategy} with {model_name} on {kind}: rows {form} are picked "
                f"otherwise, {others} for {picks}."
            )
    return WORKS


def _reason(message: str) -> str:
    """Return the part of a message that does not name strategy and model."""
    if asks := re.search(r"needs ([\w ]+) of (clf|reg);", message):
        return f"the model has no {asks[1]}"
    if numbers := re.search(r"needs rows of numbers, and X (.*)", message, re.DOTALL):
        return (
            f"needs rows of numbers, and X {re.split(r'[:(]', numbers[1])[0].strip()}"
        )
    return message.partition("\n")[0][:150]


def page() -> str:
    """Return the page, with the outcome of every cell."""
    reasons: dict[str, str] = {}
    parts = [HEAD]
    for kind in KINDS:
        parts.append(f"\n## {kind}\n\n| strategy | {' | '.join(MODELS)} |")
        parts.append("|---" * (1 + len(MODELS)) + "|")
        for strategy in strategies():
            cells = [outcome(kind, name, strategy) for name in MODELS]
            marks = [
                cell
                if cell == WORKS
                else reasons.setdefault(cell, f"no ({len(reasons) + 1})")
                for cell in cells
            ]
            parts.append(f"| `{strategy}` | {' | '.join(marks)} |")
            print(kind, strategy, *marks, file=sys.stderr, flush=True)  # noqa: T201
    parts.append("\n## Why not\n")
    for reason, mark in reasons.items():
        parts.append(f"{mark[4:-1]}. {reason.replace('|', '')}")
    return "\n".join(parts) + "\n"


HEAD = """# Kinds of rows, models and strategies

Made by `python docs/data_matrix.py`; [Data](data.md) says what the kinds are. "yes" is
a query that picked the same rows however they were stored, and whether candidates were
given by number or as rows. A number is the reason why a query is refused, below; none
is refused without one. "our classifier" is `MCDropoutClassifier`. "Pipeline" is the
same behind the steps that rows of its kind need, such as `TfidfVectorizer`."""


if __name__ == "__main__":
    PAGE.write_text(page())
