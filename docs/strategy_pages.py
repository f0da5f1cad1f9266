"""Write a page for each strategy, rule and model: idea, formula, picture, evidence.

Run ``python docs/strategy_pages.py FOLDER``; ``python docs/build_site.py`` does it for
the site. Words come from docstrings, docs/methods.csv and docs/gallery.toml, numbers
from benchmarks/RESULTS.md. docs/gallery_pictures.py draws; pictures that FOLDER has
already are kept, as drawing all takes some minutes.
"""

import inspect
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import torch
from api_page import needs_of
from evidence import results
from gallery_pictures import (
    ROUNDS,
    draw,
    example_of,
    kind_of,
    looks_at_inputs,
    model_for,
)
from methods_page import class_of, methods, public_methods

from skal_deep import classifier, pool

DOCS = Path(__file__).resolve().parent
# What a row of the benchmarks is compared with.
BASELINES = {"random", "supervised", "none (point estimate)"}
SYMBOLS = """\
*p* is the mean prediction, :math:`p_s` that of draw *s*, :math:`p_{(1)}` the largest
probability, *h* an embedding, *H* the entropy; *L* are the labelled rows, *B* the picks
so far, *U* the pool. :doc:`The glossary </glossary>` has the words.
"""

CAPTIONS = {
    "strategy": (
        "Three rounds of five labels on the points that all pages share. Dark is where "
        "labels are wanted most, by rank; the lines are where the predicted class "
        "changes; numbers are the picks in their order. {how}"
    ),
    "rule": (
        "Ten picks by BALD's scores: the highest ones, and those of this rule. Dark is "
        "where the scores are high, by rank.{how}"
    ),
    "classifier": (
        "Entropy of the prediction after six labels{parts}. White lines are where the "
        "predicted class changes."
    ),
    "regressor": "Forty labels of a noisy sine, with a gap between them.",
}
FILMS = {
    "strategy": "The same, and what follows: {n} rounds, one after the other.",
    "rule": "{n} rounds of five labels, which this rule picks by BALD's scores.{how}",
    "classifier": (
        "What {doubt} while labels come, the same ones for all pages, by chance: "
        "bright is high, up to log 3 nats."
    ),
    "regressor": "The same while the labels come.",
}


def caption_of(cls: type[Any], captions: dict[str, str] = CAPTIONS) -> str:
    """Return what the still picture of a class shows, or its film."""
    kind = kind_of(cls)
    how = ""
    if kind == "strategy" and looks_at_inputs(example_of(cls)):
        how = "Points are their own embeddings; the net of the lines is not asked."
    elif kind == "strategy":
        how = f"It asks a ``{type(model_for(cls)).__name__}``."
    elif cls is pool.PerCost:
        how = " Labels on the right cost five times as much."
    has_draws = hasattr(cls, "sample_proba")
    parts = ", and its parts, by the draws" if has_draws else ""
    doubt = "draws disagree about" if has_draws else "the prediction is unsure of"
    number = ["no", "one", "two", "three", "four", "five", "six"][ROUNDS]
    text = captions[kind].format(how=how, parts=parts, doubt=doubt, n=number)
    return text[0].upper() + text[1:]


def has_picture(cls: type[Any]) -> bool:
    """Return whether there is something to see: not where answers are only kept."""
    return cls is not classifier.PrecomputedClassifier


@cache
def extras() -> dict[str, dict[str, str]]:
    """Return formulas and limits, by class."""
    return tomllib.loads((DOCS / "gallery.toml").read_text())


def prose_of(cls: type[Any]) -> tuple[str, str, str, str]:
    """Return what a docstring says: summary, idea, when to use it, everything else."""
    text = re.split(r"\n\n(?:Parameters|See Also)\n-", inspect.getdoc(cls) or "")[0]
    text = re.sub(r",?\s\[\d\]_", "", text)
    summary, *paragraphs = text.split("\n\n")
    use = r"\b[Uu]se (?:it|its|one)\b"
    place = next(i for i, each in enumerate(paragraphs) if re.search(use, each))
    before, when = paragraphs[place], ""
    if (start := re.search(r"(?:^|(?<=\s))Use it\b", before)) is not None:
        before, when = before[: start.start()].strip(), before[start.start() :]
    others = [*paragraphs[:place], before, *paragraphs[place + 1 :]]
    idea, *rest = [each for each in others if each and each != when] or [summary]
    return summary, idea, when or paragraphs[place], "\n\n".join(rest)


def references_of(cls: type[Any]) -> list[str]:
    """Return the references of a docstring."""
    text = inspect.getdoc(cls) or ""
    found = re.search(r"\nReferences\n-+\n(.*?)(?=\n\n[A-Z]\w+\n-|\Z)", text, re.S)
    if found is None:
        return []
    parts = re.split(r"\.\. \[\d\] ", found[1])[1:]
    return [" ".join(part.split()) for part in parts]


def measures(header: list[str], row: list[str], cls: type[Any]) -> bool:
    """Return whether a row is about a class: by its name, or as a rule of another."""
    name = cls.__name__
    names = {name, extras()[name].get("measured_as", name)}
    cells = row[:1] if header[1] == "classifier" else row[:2]
    return any(
        cell in names or cell.startswith(f"{name}(") or f"selection={name}(" in cell
        for cell in cells
    )


def baselines(
    header: list[str], rows: list[list[str]], own: list[list[str]]
) -> list[list[str]]:
    """Return the rows that those of a class are compared with."""
    found = [row for row in rows if not {*row[:2]}.isdisjoint(BASELINES)]
    if header[1] != "classifier":
        return found
    return [row for row in found if row[1] in {each[1] for each in own}]


def evidence_of(cls: type[Any]) -> str:
    """Return the rows of the benchmarks that measure a class, with their baseline."""
    parts = []
    for title, header, rows in results():
        # speed: the page of benchmarks has it whole
        if header[0] == "kernel" or header[1].startswith(("processor s", "ms, ")):
            continue
        own = [row for row in rows if measures(header, row, cls)]
        if not own:
            continue
        others = baselines(header, rows, own)
        shown = [row for row in rows if row in own or row in others]
        parts += [f"**{title}** (:doc:`/results`)\n", table_of([header, *shown])]
    tests = [
        f"`{Path(path).stem} <https://github.com/skal-deep/skal-deep/blob/main/{path}>`__"
        for row in methods()
        if row["class"] == cls.__name__
        for path in row["evidence"].split()
    ]
    if not parts:
        parts = [
            "No benchmark of this package measures it yet: compare it on your data "
            "with :func:`~skal_deep.evaluation.compare_strategies`.\n"
        ]
    held = ", ".join(dict.fromkeys(tests))
    return "\n".join(parts) + f"\nIts arithmetic is held by tests: {held}.\n"


def table_of(rows: list[list[str]]) -> str:
    """Return a table; the first row is its header."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        for place, cell in enumerate(row):
            lines.append(f"   {'* -' if place == 0 else '  -'} {cell or ' '}".rstrip())
    return "\n".join(lines) + "\n"


def facts_of(cls: type[Any]) -> str:
    """Return the table of what a method needs, costs and is."""
    rows = [row for row in methods() if row["class"] == cls.__name__]
    facts = []
    if kind_of(cls) == "strategy":
        facts.append(["asks the model for", needs_of(cls).replace("`", "``")])
    for row in rows:
        status = "; ".join(part for part in (row["status"], row["note"]) if part)
        facts.append([f"status ({row['method']})", escape(status)])
    costs = dict.fromkeys(row["cost"] for row in rows if row["cost"])
    facts += (
        [
            [
                "costs, beside the training" if kind_of(cls) == "strategy" else "costs",
                escape("; ".join(costs)),
            ]
        ]
        if costs
        else []
    )
    lines = [".. list-table::", "   :stub-columns: 1", ""]
    for name, value in facts:
        lines += [f"   * - {name}", f"     - {value}"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return text in which stars and bars are no marks."""
    return re.sub(r"([*|_\\])", r"\\\1", text)


def page_of(cls: type[Any]) -> str:
    """Return the page of a class."""
    name, home = cls.__name__, "pool" if hasattr(pool, cls.__name__) else "classifier"
    summary, idea, when, rest = prose_of(cls)
    extra = extras()[name]
    not_for = extra["not_for"].replace("`", "``")
    parts = [
        f"{name}\n{'=' * len(name)}\n",
        f"*{summary}*\n",
        heading("Idea"),
        idea + "\n",
    ]
    parts += [heading("Formula"), f".. math::\n\n   {extra['formula']}\n", SYMBOLS]
    if has_picture(cls):
        shown = (
            "What it picks"
            if kind_of(cls) in ("strategy", "rule")
            else "What it looks like"
        )
        caption = caption_of(cls)
        alt = re.sub(r"``", "", caption)
        parts += [
            heading(shown),
            f".. figure:: {name}.png\n   :alt: {alt}\n\n   {caption}\n",
            film_of(cls),
        ]
    parts += [heading("When to use it"), when + "\n", f"**Not for:** {not_for}\n"]
    parts += [heading("Needs, cost, status"), facts_of(cls)]
    if rest:
        parts += [heading("Details"), rest + "\n"]
    parts += [heading("Evidence"), evidence_of(cls)]
    papers = references_of(cls)
    if papers:
        parts += [
            heading("Paper"),
            "\n".join(f"- {escape(paper)}" for paper in papers) + "\n",
        ]
    parts += [
        heading("Reference"),
        f".. autoclass:: skal_deep.{home}.{name}\n   :members:\n",
    ]
    return "\n".join(parts)


def film_of(cls: type[Any]) -> str:
    """Return the film of a class: its rounds, with what plays, stops and moves them."""
    caption = caption_of(cls, FILMS)
    name = f"{cls.__name__}-rounds.png"
    return f"""\
.. raw:: html

   <figure class="rounds" style="--rounds: {ROUNDS}">
   <div class="film">

.. image:: {name}
   :alt: {caption}

.. raw:: html

   </div>
   <div class="controls">
   <label class="play"><input type="checkbox" checked> Play</label>
   <label>Round <input type="range" min="1" max="{ROUNDS}" value="1"></label>
   </div>
   <figcaption><p>{caption}</p></figcaption>
   </figure>
"""


def heading(text: str) -> str:
    """Return the heading of a section."""
    return f"{text}\n{'-' * len(text)}\n"


KINDS = {
    "strategy": "Strategies",
    "rule": "Rules that form a batch",
    "classifier": "Classifiers and posteriors",
    "regressor": "Regressors",
}


def pages() -> dict[str, list[type[Any]]]:
    """Return the classes that have a page, by kind."""
    classes = [class_of(name) for name in sorted(public_methods(), key=str.lower)]
    return {kind: [cls for cls in classes if kind_of(cls) == kind] for kind in KINDS}


def index() -> str:
    """Return the page that shows all of them side by side."""
    title = "Gallery"
    parts = [
        f"{title}\n{'=' * len(title)}\n",
        "Every strategy, rule and model, with what it does on the same points. "
        "Click on one for its formula, evidence, and when to use it.\n",
    ]
    for kind, classes in pages().items():
        parts += [heading(KINDS[kind]), ".. grid:: 1 2 2 3\n   :gutter: 2\n"]
        for cls in classes:
            summary = prose_of(cls)[0]
            parts.append(
                f"   .. grid-item-card:: {cls.__name__}\n      :link: {cls.__name__}"
            )
            parts.append("      :link-type: doc")
            if has_picture(cls):
                parts.append(f"      :img-top: {cls.__name__}.png")
                parts.append(f"      :img-alt: Picture of {cls.__name__}")
            parts.append(f"\n      {summary}\n")
        names = "\n".join(f"   {cls.__name__}" for cls in classes)
        parts.append(
            f".. toctree::\n   :hidden:\n   :caption: {KINDS[kind]}\n\n{names}\n"
        )
    return "\n".join(parts)


def write(folder: Path) -> None:
    """Write all pages, and the pictures that are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # tiny nets gain nothing from more
    (folder / "index.rst").write_text(index())
    for classes in pages().values():
        for cls in classes:
            path = folder / f"{cls.__name__}.png"
            if has_picture(cls) and not path.exists():  # the last that is drawn
                draw(cls, folder)
            path.with_suffix(".rst").write_text(page_of(cls))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
