"""What a folder of images costs: a net trained on the files, and embeddings of them.

    python -m benchmarks folder [--files 800 8000] [--out benchmarks/RESULTS.md]

Files are PNG of 48 x 48 pixels, made of scikit-learn's digits. A small CNN at 32
pixels, with random shifts in training, begins with 50 labels at random and asks for 50
in each of five rounds; each query reads the whole folder. Then a small frozen backbone
embeds the files in two rounds with a cache. What is told of memory is the peak beside
that of the libraries.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageChops
from sklearn.datasets import load_digits
from skorch import NeuralNetClassifier
from torch import nn

from benchmarks._measure import cost, in_fresh_process, provenance
from benchmarks._report import write_section
from skal_deep.classifier import DeepClassifier
from skal_deep.datasets import ImageFiles, load
from skal_deep.embedding import ImageEmbedder
from skal_deep.modules import ConvNet
from skal_deep.pool import MarginSampling

N_ROUNDS, N_ASKED = 5, 50
HEAD = "| files | what | processor s | MiB beside the libraries |\n|---|---|---|---|"


def make_folder(folder, n_files):
    """Write images, a folder a digit."""
    images, digits = load_digits(return_X_y=True)
    for number in range(n_files):
        row = number % len(images)
        pixels = (images[row].reshape(8, 8) * 15).astype(np.uint8)
        place = Path(folder, str(digits[row]))
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((48, 48)).save(place / f"{number}.png")


def shift(image):
    """Return an image moved by some pixels."""
    return ImageChops.offset(image, *torch.randint(-3, 4, (2,)).tolist())


def train(folder):
    """Label, train and ask in five rounds."""
    data = load(folder, files=True)
    net = NeuralNetClassifier(
        ConvNet,
        dataset=ImageFiles,
        dataset__image_size=32,
        dataset__train_transform=shift,
        max_epochs=20,
        lr=0.003,
        optimizer=torch.optim.Adam,
        train_split=None,
        verbose=0,
    )
    clf = DeepClassifier(net, classes=range(10), random_state=0)
    y = np.full(len(data.X), -1)
    new = np.random.default_rng(0).choice(len(y), N_ASKED, replace=False)
    for number in range(N_ROUNDS):
        y[new] = data.y[new]
        strategy = MarginSampling(random_state=number)
        new = strategy.query(data.X, y, clf, batch_size=N_ASKED)
    return clf.fit(data.X, y)


def embed(folder, cache):
    """Return the embeddings of all files."""
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Conv2d(3, 64, 5, stride=4), nn.ReLU(), nn.Conv2d(64, 256, 3), nn.ReLU()
    )
    embedder = ImageEmbedder(backbone, image_size=48, cache_dir=cache)
    return embedder.fit_transform(load(folder, files=True).X)


def measured(n_files, what):
    """Return the costs of a folder of so many files: pairs of seconds and MiB."""
    with tempfile.TemporaryDirectory() as place:
        photos = Path(place, "photos")
        make_folder(photos, n_files)
        if what == "net":
            make_folder(Path(place, "few"), 400)
            train(Path(place, "few"))  # imports and threads are no cost of the folder
            return [cost(lambda: train(photos))]
        return [cost_once(lambda: embed(photos, Path(place, "cache"))) for _ in "12"]


def cost_once(call):
    """Return the costs of a call that is another one the second time."""
    seconds = []

    def timed():
        if not seconds:
            started = time.process_time()
            call()
            seconds.append(time.process_time() - started)

    _, mib = cost(timed)
    return seconds[0], mib


def main():
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[800, 8000])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    lines = [HEAD]
    names = {
        "net": [f"{N_ROUNDS} rounds of training and asking, {N_ASKED} labels each"],
        "embeddings": ["embeddings, first round", "embeddings, second round"],
    }
    for what, told in names.items():
        for n_files in args.files:
            costs = in_fresh_process(
                measured, n_files, what, cpu_seconds=600, max_bytes=2**34
            )
            for name, (seconds, mib) in zip(told, costs, strict=True):
                lines.append(f"| {n_files:,} | {name} | {seconds:.1f} | {mib:,.0f} |")
                print(lines[-1], flush=True)
    if args.out:
        write_section(
            args.out,
            "Images on disk",
            f"{provenance('python -m benchmarks folder')}. PNG of 48 x 48 pixels; a "
            "CNN at 32 pixels with random shifts in training, 20 epochs a round; then "
            "a small frozen backbone with a cache.\n\n" + "\n".join(lines),
        )


if __name__ == "__main__":
    main()
