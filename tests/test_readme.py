"""The texts: examples run as they stand, links lead somewhere, commands are CI's."""

import re
import sys
import types
from functools import partial
from pathlib import Path

import pytest

from skal_deep.evaluation import check_query_strategy

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
EXAMPLES = [page for page in PAGES if "```python\n" in page.read_text()]


def prose(page):
    """Return the text of a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)


def anchors(page):
    """Return what the headings of a page may be called by, as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.slow
@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.stem)
def test_examples_run(page, tmp_path, monkeypatch, capsys):
    # All of its checks, on images as well, are run in tests/testing.
    short = partial(check_query_strategy, data=("vectors",))
    monkeypatch.setattr("skal_deep.evaluation.check_query_strategy", short)
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType(page.stem)  # a home for classes, to be pickled from
    monkeypatch.setitem(sys.modules, page.stem, module)
    names = vars(module)
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
        exec(compile(block, page.name, "exec"), names)
    assert capsys.readouterr().out
    if page.name == "README.md":
        assert len(set(names["picks"])) == 10


def test_pages_with_examples_are_these():
    assert {page.stem for page in EXAMPLES} >= {
        "README",
        "strategies",
        "models",
        "studies",
    }


def test_what_does_not_run_here_needs_a_cluster_a_download_or_a_peer():
    # Blocks marked "py" are not run.
    marked = [page.name for page in PAGES if "```py\n" in page.read_text()]
    assert marked == ["data.md", "migration.md", "questions.md", "scale.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = page if not path else page.parent / path
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def test_the_index_names_every_page():
    index = (ROOT / "docs" / "index.md").read_text()
    linked = set(re.findall(r"\]\(([\w.-]+\.md)\)", index))
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    assert linked == pages - {"index.md"}


def test_the_readme_is_short():
    assert len(prose(ROOT / "README.md").split()) <= 1000


def test_commands_install_through_the_constraints():
    installs = re.findall(r"^python.*pip install.*$", README, re.M)
    assert len(installs) == 2
    assert all("-c constraints.txt" in command for command in installs)
    assert sum("pytest" in command for command in installs) == 1
