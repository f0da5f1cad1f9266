"""The structure of the package and its texts."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from strategies import STRATEGIES

import skal_deep
from skal_deep import pool
from skal_deep.pool._base import DeepQueryStrategy

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "skal_deep").rglob("*.py"))
LAYERS = {
    "_blas.py": 0,
    "_calls.py": 0,
    "_compiled.py": 0,
    "_devices.py": 0,
    "_modes.py": 0,
    "_put_back.py": 0,
    "_threads.py": 0,
    "_workers.py": 0,
    "exceptions.py": 0,
    "identity": 1,
    "rows": 1,
    "functional": 1,
    "modules": 2,
    "datasets": 3,
    "embedding": 3,
    "classifier": 4,
    "pool": 5,
    "shards": 6,
    "testing": 6,
    "evaluation": 7,
    "visualization": 8,
    "campaign": 8,
    "cli": 9,
    "__main__.py": 10,
}


def layer(path):
    return LAYERS.get(path.relative_to(ROOT / "skal_deep").parts[0], 0)


def parts_imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "skal_deep."
        ):
            yield node.module.split(".")[1]


def test_imports_point_downwards():
    assert not [
        (str(path), part)
        for path in SOURCES
        for part in parts_imported(path)
        if LAYERS.get(part, LAYERS.get(f"{part}.py")) > layer(path)
    ]


def test_no_global_randomness():
    drawn = re.compile(
        r"np\.random\.(?:rand|randn|randint|choice|shuffle|permutation)\("
    )
    assert not [str(path) for path in SOURCES if drawn.search(path.read_text())]


def test_strategy_files_are_thin():
    for name in STRATEGIES:
        source = inspect.getsource(
            getattr(pool, name)._score
            if hasattr(getattr(pool, name), "_score")
            else getattr(pool, name)._select
        )
        assert len(source.splitlines()) <= 35


def test_parameters_end_alike():
    for name in STRATEGIES:
        parameters = list(inspect.signature(getattr(pool, name)).parameters)
        assert parameters[-2:] == ["missing_label", "random_state"]


def test_repeated_parameters_are_described_alike():
    described = {}
    for name in STRATEGIES:
        text = inspect.getdoc(getattr(pool, name))
        for parameter in ("missing_label", "random_state", "n_samples"):
            if found := re.search(rf"^{parameter} : .*\n(?:    .*\n)+", text, re.M):
                described.setdefault(parameter, set()).add(found[0])
    assert all(len(texts) == 1 for texts in described.values()), described


@pytest.mark.slow
def test_importing_does_not_import_what_is_slow():
    code = (
        "import sys, skal_deep.cli, skal_deep.shards, skal_deep.visualization\n"
        "print({'matplotlib', 'numba', 'polars', 'timm'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"


def test_constraints_pin_every_dependency():
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    text = (ROOT / "pyproject.toml").read_text()
    declared = re.search(r"^dependencies = \[(.*?)^\]", text, re.S | re.M)[1]
    names = {n.lower() for n in re.findall(r'"([A-Za-z-]+)', declared)}
    assert names <= pinned


def test_no_floor_is_below_that_of_scikit_activeml():
    theirs = dict(
        re.findall(
            r"^([\w-]+)>=([\d.]+)$", "\n".join(requires("scikit-activeml")), re.M
        )
    )
    text = (ROOT / "pyproject.toml").read_text()
    ours = dict(re.findall(r'"([\w-]+)>=([\d.]+)', text))
    shared = ours.keys() & theirs.keys()
    assert {"numpy", "scipy", "matplotlib", "scikit-learn", "joblib"} <= shared
    for name in shared:
        floors = [tuple(map(int, f[name].split("."))) for f in (ours, theirs)]
        width = max(map(len, floors))
        mine, other = (floor + (0,) * (width - len(floor)) for floor in floors)
        assert mine >= other, name


@pytest.mark.slow
def test_every_module_has_a_purpose_in_its_first_line():
    for path in SOURCES:
        first = ast.get_docstring(ast.parse(path.read_text()))
        assert first, path
        assert first.splitlines()[0].endswith("."), path


def test_the_version_is_one():
    assert skal_deep.__version__
    assert "attr: skal_deep.__version__" in (ROOT / "setup.cfg").read_text()
    assert issubclass(importlib.import_module("skal_deep.pool").BALD, DeepQueryStrategy)
