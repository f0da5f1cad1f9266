"""The page of rows, models and strategies is so: a sample now, every cell nightly."""

import re

import numpy as np
import pytest
from test_pages import DOCS, script

matrix = script("data_matrix")
PAGE = (DOCS / "data_matrix.md").read_text()
REWRITE = "run: python docs/data_matrix.py"


def cells():
    """Return what the page says, by kind, model and strategy."""
    body, reasons = PAGE.split("\n## Why not\n")
    why = dict(re.findall(r"^(\d+)\. (.*)$", reasons, re.M))
    said = {}
    for part in body.split("\n## ")[1:]:
        kind, *rows = part.splitlines()
        for row in rows[3:]:
            if row:
                strategy, *marks = [cell.strip() for cell in row.strip("|").split("|")]
                for model, mark in zip(matrix.MODELS, marks, strict=True):
                    outcome = mark if mark == matrix.WORKS else why[mark[4:-1]]
                    said[kind, model, strategy.strip("`")] = outcome
    return said


CELLS = cells()
SAMPLE = np.random.default_rng(0).permutation(len(CELLS))[:40]


def test_every_cell_has_its_place():
    assert set(CELLS) == {
        (kind, model, strategy)
        for kind in matrix.KINDS
        for model in matrix.MODELS
        for strategy in matrix.strategies()
    }, REWRITE


def check(cell):
    assert matrix.outcome(*cell).replace("|", "") == CELLS[cell], REWRITE


@pytest.mark.parametrize("cell", [list(CELLS)[at] for at in SAMPLE])
def test_some_cells(cell):
    check(cell)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", matrix.KINDS)
def test_all_cells(kind):
    for cell in CELLS:
        if cell[0] == kind:
            check(cell)
