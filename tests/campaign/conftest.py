"""Small campaigns on the digits, whose labels are known."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skal_deep.campaign import Campaign

CLASSES = [str(digit) for digit in range(10)]


@dataclass
class Played:
    """A campaign, and what the true labels are."""

    campaign: Campaign
    truth: dict[str, str]

    def answer(self, batch, annotator="anna"):
        self.campaign.label({name: self.truth[name] for name in batch.ids}, annotator)

    def play(self, n_rounds, **options):
        for _ in range(n_rounds):
            self.answer(Campaign(self.campaign.path).next(**options))

    def chosen(self, number):
        """Return the chosen ids of a round, as the strategy ranked them."""
        items = self.campaign.state().rounds[number - 1].items
        ranks = {n: item["rank"] for n, item in items.items() if "rank" in item}
        return sorted(ranks, key=ranks.get)


@pytest.fixture
def digits(tmp_path):
    """Return what makes a campaign on rows of the digits."""
    X, y = load_digits(return_X_y=True)

    def make(n_items=200, budget=60, **options: Any):
        np.save(tmp_path / "X.npy", (X[:n_items] / 16).astype(np.float32))
        campaign = Campaign.create(
            tmp_path / "c",
            embeddings=tmp_path / "X.npy",
            classes=CLASSES,
            budget=budget,
            **options,
        )
        truth = {f"r{row:06d}": str(y[row]) for row in range(n_items)}
        return Played(campaign, truth)

    return make


@pytest.fixture
def images(tmp_path):
    """Return what makes a campaign on files of images."""
    image = pytest.importorskip("PIL.Image")
    X, y = load_digits(return_X_y=True)

    def make(n_items=60, budget=30, **options: Any):
        folder = tmp_path / "photos"
        (folder / "a b").mkdir(parents=True)
        for row in range(n_items):
            pixels = (X[row].reshape(8, 8) * 15).astype(np.uint8)
            image.fromarray(pixels).save(folder / "a b" / f"img {row:03d}.png")
        campaign = Campaign.create(
            tmp_path / "c", images=folder, classes=CLASSES, budget=budget, **options
        )
        truth = {f"a b/img {row:03d}.png": str(y[row]) for row in range(n_items)}
        return Played(campaign, truth)

    return make


def write_table(path: Path, header, rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.fixture
def table():
    """Return what writes a table."""
    return write_table
