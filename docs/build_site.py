"""Build the site, offline: python docs/build_site.py [--out FOLDER] [--fresh].

The sources of the site are written into docs/_build/source: the pages of docs/, the
README and its like, the notebooks as they are stored, and what is made from the code:
the gallery, the API, the literature. Then Sphinx builds them; a warning is an error.
Pictures of the gallery are kept from build to build; --fresh draws them anew.
Needs ``pip install -e ".[docs]"``.
"""

import argparse
import inspect
import json
import os
import re
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import strategy_pages
from api_page import public_packages, summary
from methods_page import methods, public_methods
from sphinx.cmd.build import build_main

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
BUILD = DOCS / "_build"
HOME = "https://github.com/skal-deep/skal-deep"

# Pages that stand outside docs/ in the repository, and where they are on the site.
OUTSIDE = {
    "README.md": "start.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/RESULTS.md": "results.md",
    "docs/api.md": "reference/index.md",
}
# The bar at the top: its sections and their pages, in order.
SECTIONS = {
    "start": ("Start", ["choose", "questions", "migration"]),
    "guide": (
        "Guide",
        [
            "data",
            "models",
            "posteriors",
            "strategies",
            "studies",
            "protocol",
            "labelling",
            "scale",
        ],
    ),
    "gallery/index": ("Gallery", []),
    "notebooks/index": ("Notebooks", []),
    "reference/index": ("Reference", []),
    "develop": ("Develop", ["architecture", "contributing", "conformance"]),
}
LOOK_UP = ["methods", "data_matrix", "glossary", "literature", "results", "changelog"]


def place_of(path: str) -> str | None:
    """Return where a file of the repository is on the site, if it is there."""
    if path in OUTSIDE:
        return OUTSIDE[path]
    if path.startswith("docs/") and path.endswith((".md", ".png", ".csv")):
        return path.removeprefix("docs/")
    if path.startswith("notebooks/") and path.endswith(".ipynb"):
        return path
    return None


def with_links(text: str, path: str) -> str:
    """Return the text of a file with links that lead to pages, or to the source."""

    def moved(link: re.Match[str]) -> str:
        target, _, anchor = link[1].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return link[0]
        full = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if not (ROOT / full).exists():
            raise SystemExit(f"{path} links to {full}, which does not exist.")
        place = place_of(full)
        if place is None:
            return f"]({HOME}/blob/main/{full})"
        here = os.path.dirname(place_of(path) or path)
        return (
            f"]({os.path.relpath(place, here or '.')}{'#' if anchor else ''}{anchor})"
        )

    return re.sub(r"\]\(([^)\s]+)\)", moved, text)


def stage_pages(source: Path) -> None:
    """Write the pages that people wrote."""
    paths = {*OUTSIDE, *(f"docs/{page.name}" for page in DOCS.glob("*.md"))}
    for path in sorted(paths - {"docs/api.md"}):  # the site has a page for each name
        text = re.sub(r"^```py$", "```python", (ROOT / path).read_text(), flags=re.M)
        (source / (place_of(path) or path)).write_text(with_links(text, path))
    for picture in [*DOCS.glob("*.png"), *DOCS.glob("*.csv")]:
        shutil.copy(picture, source)
    shutil.copytree(DOCS / "_static", source / "_static")
    shutil.copy(DOCS / "conf.py", source)


def toctree(names: list[str], caption: str = "", hidden: bool = True) -> str:
    """Return the table that says which pages belong to another."""
    options = [":hidden:"] if hidden else [":maxdepth: 1"]
    options += [f":caption: {caption}"] if caption else []
    return "\n".join(["\n```{toctree}", *options, "", *names, "```\n"])


def stage_sections(source: Path) -> None:
    """Write the page of each section, and what leads from page to page."""
    front = source / "index.md"
    names = [f"{title} <{name}>" for name, (title, _) in SECTIONS.items()]
    front.write_text(front.read_text() + toctree(names))
    start = source / "start.md"
    start.write_text(start.read_text() + toctree(SECTIONS["start"][1]))
    for name in ("guide", "develop"):
        title, pages = SECTIONS[name]
        body = toctree(pages, hidden=False)
        (source / f"{name}.md").write_text(f"# {title}\n{body}")


def stage_notebooks(source: Path) -> None:
    """Write the notebooks, with links that lead to pages."""
    folder = source / "notebooks"
    folder.mkdir()
    names = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = json.loads(path.read_text())
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                text = with_links("".join(cell["source"]), f"notebooks/{path.name}")
                cell["source"] = text
        (folder / path.name).write_text(json.dumps(notebook))
        names.append(path.stem)
    (folder / "index.md").write_text(
        "# Notebooks\n\nEach can be read here; to run it, clone the repository. "
        "[The course](../course.md) puts them into six lectures.\n"
        + toctree(["../course", *names], hidden=False)
    )


def stage_reference(source: Path) -> None:
    """Write a page for each public name that has none in the gallery."""
    folder = source / "reference"
    folder.mkdir()
    in_gallery = public_methods()
    packages, homes = [], {}
    for package in public_packages():
        name = package.__name__
        about = (inspect.getdoc(package) or "").split("\n")[0]
        parts = [name, "=" * len(name), "", about, "", f".. currentmodule:: {name}", ""]
        for each in package.__all__:  # a name of two packages has one page
            homes.setdefault(id(getattr(package, each)), name)
        shown = [
            each
            for each in package.__all__
            if each in in_gallery or homes[id(getattr(package, each))] != name
        ]
        others = sorted(set(package.__all__) - set(shown), key=str.lower)
        constants = [each for each in others if is_constant(package, each)]
        others = [each for each in others if each not in constants]
        if shown:
            parts += [".. list-table::", ""]
            for each in sorted(shown, key=str.lower):
                value = getattr(package, each)
                home = homes[id(value)]
                parts.append(f"   * - :py:obj:`{each} <{home}.{each}>`")
                parts.append(f"     - {summary(value)}")
            parts.append("")
        if others:
            parts += [".. autosummary::", "   :toctree: names", ""]
            parts += [f"   {each}" for each in others]
        for each in constants:
            value = getattr(package, each)
            parts += ["", f".. py:data:: {each}", "", f"   The constant ``{value!r}``."]
        (folder / f"{name}.rst").write_text("\n".join(parts) + "\n")
        packages.append(name)
    (folder / "index.md").write_text(
        "# Reference\n\nEvery public name has a page here or in the "
        "[gallery](../gallery/index.rst), with parameters, an example and what it is "
        "for. What has none is not public and may change without notice.\n"
        + toctree(packages, "Packages", hidden=False)
        + toctree([f"../{name}" for name in LOOK_UP], "Look things up", hidden=False)
    )


def is_constant(package: object, name: str) -> bool:
    """Return whether a public name is neither a class nor a function."""
    value = getattr(package, name)
    return not (inspect.isclass(value) or callable(value))


def literature() -> str:
    """Return the page of all papers that docstrings cite, with who cites them."""
    cited = defaultdict(set)
    for package in public_packages():
        for name in package.__all__:
            for paper in strategy_pages.references_of(getattr(package, name)):
                cited[paper].add(name)
    title = "Literature"
    parts = [
        f"{title}\n{'=' * len(title)}\n",
        "The papers that the docstrings cite, and what is here of each. Made from the "
        "docstrings, and for what is not offered from :doc:`methods`.\n",
    ]
    for paper in sorted(cited, key=surname):
        users = sorted(cited[paper], key=str.lower)
        names = ", ".join(f"``{name}``" for name in users)
        parts.append(f"- {strategy_pages.escape(paper)} |to| {names}")
    parts += ["\n.. |to| unicode:: U+2192\n", strategy_pages.heading("Not offered")]
    parts += [
        f"- {row['method']}: {row['paper']}. {strategy_pages.escape(row['note'])}."
        for row in methods()
        if not row["class"] and row["paper"]
    ]
    return "\n".join(parts) + "\n"


def surname(paper: str) -> str:
    """Return what a reference is sorted by: surname of its first author."""
    return re.sub(r"^(?:[A-Z]\.[- ]?)+", "", paper).lower()


def stage(fresh: bool) -> Path:
    """Write all sources of the site, and return their folder."""
    source, pictures = BUILD / "source", BUILD / "pictures"
    if fresh:
        shutil.rmtree(pictures, ignore_errors=True)
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    stage_pages(source)
    stage_sections(source)
    stage_notebooks(source)
    stage_reference(source)
    (source / "literature.rst").write_text(literature())
    strategy_pages.write(pictures)
    shutil.copytree(pictures, source / "gallery")
    return source


def main() -> int:
    """Build the site from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=BUILD / "html")
    parser.add_argument("--fresh", action="store_true", help="draw all pictures anew")
    arguments = parser.parse_args()
    source = stage(arguments.fresh)
    # All is read anew: what an earlier build found would hide pages that are new.
    options = ["-E", "-W", "--keep-going", "-q", "-b", "html"]
    return build_main([*options, str(source), str(arguments.out)])


if __name__ == "__main__":
    sys.exit(main())
