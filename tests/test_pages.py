"""What the pages say of the code is so: names, tables, files, layers, commands."""

import importlib.util
import inspect
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import skal_deep

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REWRITE = "run: python docs/api_page.py"


def script(name):
    """Return a script of the folder of pages as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # scripts import from one another
    spec.loader.exec_module(module)
    return module


api_page = script("api_page")
evidence = script("evidence")
methods_page = script("methods_page")
picture = script("architecture_picture")


def sections():
    """Return the names that the API page lists, by package."""
    parts = re.split(r"^## (\S+)$", (DOCS / "api.md").read_text(), flags=re.M)
    return {
        package: re.findall(r"^\| `(\w+)` \|", text, re.M)
        for package, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_the_api_page_has_every_public_name_and_no_other():
    public = {p.__name__: sorted(p.__all__) for p in api_page.public_packages()}
    listed = {package: sorted(names) for package, names in sections().items()}
    assert listed == public, REWRITE
    assert {"skal_deep.pool", "skal_deep.classifier", "skal_deep.evaluation"} <= set(
        public
    )


def test_public_names_exist():
    for package in api_page.public_packages():
        for name in package.__all__:
            assert hasattr(package, name), f"{package.__name__}.{name}"


def test_the_api_page_has_first_lines_as_they_are():
    assert (DOCS / "api.md").read_text() == api_page.api_page(), REWRITE


def test_the_table_of_strategies_is_made_from_their_docstrings():
    table = api_page.strategy_table()
    assert "| `BALD` | Bayesian Active Learning by Disagreement (BALD) " in table
    assert "| `sample_proba` | Houlsby et al., 2011 |" in table
    assert table in (DOCS / "strategies.md").read_text(), REWRITE


def test_the_decision_guide_has_the_row_of_every_strategy():
    table = evidence.table()
    assert table in (DOCS / "choose.md").read_text(), "run: python docs/evidence.py"
    named = {re.match(r"\| `(\w+)", row)[1] for row in table.splitlines()[2:]}
    assert named == {cls.__name__ for cls in api_page.strategies()}
    assert "not measured" not in table
    for rows in evidence.every_strategy().values():
        assert all(len(row) == 4 for row in rows.values())


def test_every_strategy_names_its_paper():
    rows = api_page.strategy_table().splitlines()[2:]
    assert len(rows) == len(api_page.strategies()) > 30
    assert [row for row in rows if row.endswith("|  |")] == []


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page):
    named = re.findall(
        r"`((?:skal_deep|tests|docs|benchmarks|notebooks|\.ci)/[\w./-]*)`",
        page.read_text(),
    )
    made_up = {
        path for path in named if "my_" in path or not (ROOT / path).exists()
    }  # the names in "add a strategy" are examples
    assert {path for path in made_up if "my_" not in path} == set()


def callable_names():
    """Return the names of public functions and classes, and of their methods."""
    names = set()
    for package in api_page.public_packages():
        for name in package.__all__:
            value = getattr(package, name)
            names |= {name, *(dir(value) if inspect.isclass(value) else ())}
    return names


@pytest.mark.parametrize(
    "page",  # docstrings on the API page hold formulas; peers have names of their own
    [page for page in PAGES if page.stem not in ("api", "migration")],
    ids=lambda page: page.stem,
)
def test_what_a_page_calls_is_public(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    calls = {
        call[1]
        for code in re.findall(r"`([^`]+)`", text)
        if (call := re.match(r"(?:print\()?([A-Za-z]\w*)\(", code))
    }
    others = {"make_pipeline"}  # of scikit-learn
    assert calls - others <= callable_names()


@pytest.mark.parametrize("room", ["pool", "evaluation/comparison", "testing"])
def test_short_names_of_files_are_those_of_the_room(room):
    text = (DOCS / "architecture.md").read_text()
    rows = [row for row in text.splitlines() if f"`skal_deep/{room}" in row]
    names = {name for row in rows for name in re.findall(r"`(_\w+\.py)`", row)}
    assert names
    missing = [n for n in names if not (ROOT / "skal_deep" / room / n).exists()]
    assert not missing


@pytest.mark.slow
def test_rooms_import_only_downwards_and_in_no_circle():
    arrows = picture.imports_between_rooms()
    picture.check_directions(arrows, picture.packages_in_order())
    height = picture.heights(arrows)
    assert all(height[room] > height[other] for room, other in arrows)


def test_an_import_upwards_and_a_circle_are_found():
    packages = ["pool", "functional"]
    with pytest.raises(SystemExit, match="which stands above it"):
        picture.check_directions({("functional", "pool"): 1}, packages)
    with pytest.raises(SystemExit, match="no layer to attic"):
        picture.check_directions({("pool", "attic"): 1}, packages)
    with pytest.raises(picture.CycleError):
        picture.heights({("pool.a", "pool.b"): 1, ("pool.b", "pool.a"): 1})


def test_imports_for_types_alone_are_no_arrows(tmp_path):
    path = tmp_path / "file.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "from skal_deep.pool import BALD\n"
        "if TYPE_CHECKING:\n"
        "    from skal_deep.evaluation import Comparison\n"
        "else:\n"
        "    from skal_deep.classifier import Model\n"
    )
    found = {node.module for node in picture.imports_of(path)}
    assert found == {"skal_deep.pool", "skal_deep.classifier"}


def test_a_name_is_found_in_the_room_where_it_stands():
    home = picture.home_of("skal_deep.classifier", "as_model")
    assert picture.room_of(home) == "classifier.door"
    home = picture.home_of("skal_deep.evaluation.statistics", "_paired")
    assert picture.room_of(home) == "evaluation.statistics"


def test_the_layer_table_names_every_package_in_order():
    text = (DOCS / "architecture.md").read_text()
    rows = re.findall(r"^\| `skal_deep/(\w+)` \|", text, re.M)
    assert rows == picture.packages_in_order()


def test_the_protocols_are_those_of_the_door():
    from skal_deep.classifier.door._capabilities import REMEDIES, method_name

    text = (DOCS / "architecture.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)` \| `(\w+)\(", text, re.M))
    assert listed == {need.__name__: method_name(need) for need in REMEDIES}


def test_markers_that_contributing_names_are_declared():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    markers = {
        line.split(":")[0]
        for line in settings["tool"]["pytest"]["ini_options"]["markers"]
    }
    named = set(re.findall(r"pytest\.mark\.(\w+)", text))
    for expression in re.findall(r'-m "([^"]+)"', text):
        named |= set(re.findall(r"\w+", expression)) - {"not", "and", "or"}
    assert named <= markers


def test_commands_of_contributing_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for names in re.findall(r'"\.\[([\w,]+)\]"', text):
        assert set(names.split(",")) <= extras.keys()
    installed = {"ruff", "mypy", "import-linter"}
    assert installed == set(extras["lint"])
    run = (ROOT / ".ci" / "run").read_text()
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    for hook in hooks["repos"][0]["hooks"]:
        tool = hook["entry"].split()[0]
        assert f".venv/bin/{tool}" in run, tool


def test_project_urls_are_those_of_contributing():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    assert {"Source", "Issues", "Changelog"} <= urls.keys()
    home = urls["Source"]
    assert all(url.startswith(home) for url in urls.values())
    assert home in (ROOT / "CONTRIBUTING.md").read_text()


def test_the_version_is_that_of_changelog_and_citation():
    version = skal_deep.__version__.removesuffix(".dev0")
    assert f"({version})" in (ROOT / "CHANGELOG.md").read_text()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == skal_deep.__version__
    assert citation["license"] == "BSD-3-Clause"


def test_every_public_method_has_its_row():
    rows = methods_page.methods()
    assert {row["class"] for row in rows} - {""} == methods_page.public_methods()
    assert (DOCS / "methods.md").read_text() == methods_page.methods_page(), (
        "run: python docs/methods_page.py"
    )


def test_rows_of_methods_are_complete():
    for row in methods_page.methods():
        assert row["method"]
        assert row["status"]
        if row["class"]:
            assert all(
                (DOCS.parent / path).is_file() for path in row["evidence"].split()
            )
            assert row["evidence"]
        else:
            assert (row["status"], bool(row["note"])) == ("not offered", True)
