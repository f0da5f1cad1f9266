"""Write a page for each strategy, rule and model: idea, formula, picture, evidence.

Run ``python docs/strategy_pages.py FOLDER``; ``python docs/build_site.py`` does it for
the site. Words come from docstrings, docs/methods.csv and docs/gallery.toml, numbers
from benchmarks/RESULTS.md. Pictures are drawn on data that all pages share; those that
FOLDER has already are kept, as drawing all takes some minutes.
"""

import inspect
import re
import sys
import tomllib
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from api_page import needs_of
from matplotlib.figure import Figure
from methods_page import class_of, methods, public_methods
from sklearn.datasets import make_blobs, make_moons
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from skorch import NeuralNetClassifier, NeuralNetRegressor

from skal_deep import classifier, pool
from skal_deep.classifier import as_model, fit_on_labeled
from skal_deep.classifier.door._capabilities import method_name
from skal_deep.evaluation import strategy_styles
from skal_deep.modules import MLP
from skal_deep.pool import DeepQueryStrategy, SelectionRule
from skal_deep.visualization import (
    plot_boundary,
    plot_picks,
    plot_points,
    plot_uncertainty,
    plot_utilities,
)

DOCS = Path(__file__).resolve().parent
ROUNDS, BATCH = 3, 5
SYMBOLS = """\
*p* is the mean prediction, :math:`p_s` that of draw *s*, :math:`p_{(1)}` the largest
probability, *h* an embedding, *H* the entropy; *L* are the labelled rows, *B* the picks
so far, *U* the pool. :doc:`The glossary </glossary>` has the words.
"""
# Classifiers that a strategy asks for by what it needs; draws come from dropout.
TRAINED_FOR = {
    "sample_proba": "MCDropoutClassifier",
    "predict_evidence": "EvidentialClassifier",
    "predict_loss": "LossPredictionClassifier",
    "predict_novelty": "WassersteinClassifier",
    "predict_votes": "CheckpointClassifier",
}


def shared_data() -> tuple[Any, Any, Any]:
    """Return the points of all pictures, their classes, and the first six labels."""
    moons, side = make_moons(200, noise=0.12, random_state=0)
    crowd, _ = make_blobs(60, centers=[[2.2, 1.6]], cluster_std=0.25, random_state=0)
    X = np.concatenate([moons, crowd]).astype(np.float32)
    truth = np.concatenate([side, np.full(len(crowd), 2)])
    y = np.full(len(X), -1)
    for label in range(3):
        rows = np.flatnonzero(truth == label)[:2]
        y[rows] = label
    return X, truth, y


def net(cls: Any = NeuralNetClassifier, **settings: Any) -> Any:
    """Return the net of all pictures."""
    return cls(
        MLP,
        **{"module__n_hidden": 32, "module__dropout": 0.2} | settings,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=120,
        batch_size=16,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def model_for(cls: type[Any]) -> Any:
    """Return the classifier that the pictures of a strategy ask."""
    if cls is pool.CEAL:
        name = "PseudoLabelClassifier"
    else:
        needs = [method_name(need) for need in example_of(cls)._needs]
        found = [TRAINED_FOR[need] for need in needs if need in TRAINED_FOR]
        name = found[0] if found else "DeepClassifier"
    if cls in (pool.MixedScore, pool.SwitchStrategy):
        name = "MCDropoutClassifier"
    return getattr(classifier, name)(net(), classes=[0, 1, 2], random_state=0)


def example_of(cls: type[Any]) -> Any:
    """Return a strategy as its pictures show it; the plane is its own embedding."""
    if cls is pool.MixedScore:
        parts = [pool.BALD(), pool.MarginSampling()]
        return cls(parts, late_weights=[1, 3], random_state=0)
    if cls is pool.AnchorAL:
        return cls(pool.MarginSampling(), n_neighbors=15, random_state=0)
    if cls is pool.SwitchStrategy:
        first = pool.TypiClust(normalize=False)
        return cls(first, pool.MarginSampling(), when=4, random_state=0)
    if cls is pool.SelectionViaProxy:
        proxy = make_pipeline(RBFSampler(random_state=0), LogisticRegression())
        return cls(pool.MarginSampling(), proxy, random_state=0)
    given = {"normalize": False} if "normalize" in parameters_of(cls) else {}
    return cls(**given, random_state=0)


def parameters_of(cls: type[Any]) -> set[str]:
    """Return the names of the parameters of a class."""
    return set(inspect.signature(cls).parameters)


def looks_at_inputs(strategy: Any) -> bool:
    """Return whether a strategy is shown the points themselves as embeddings."""
    return {method_name(need) for need in strategy._needs} <= {"embed"}


def draw_strategy(cls: type[Any]) -> Figure:
    """Draw the rounds of a strategy on the shared points."""
    X, truth, y = shared_data()
    color = strategy_styles([cls.__name__])[cls.__name__]["color"]
    figure = Figure(figsize=(9, 3.1), layout="constrained")
    for ax in figure.subplots(1, ROUNDS):
        strategy = example_of(cls)
        clf = fit_on_labeled(model_for(cls), X, y)
        asked = {} if looks_at_inputs(strategy) else {"clf": clf, "fit_clf": False}
        picks, utilities = strategy.query(
            X, y, **asked, batch_size=BATCH, return_utilities=True
        )
        plot_utilities(X, utilities[0], ax)
        plot_boundary(clf, X, ax=ax)
        plot_points(X, y, ax=ax)
        plot_picks(X, picks, color, ax)
        right = np.mean(clf.predict(X) == truth)
        title = f"{np.sum(y != -1)} labels, accuracy {right:.2f}"
        ax.set_title(title, fontsize=10)
        y[picks] = truth[picks]
    return figure


def draw_rule(cls: type[Any]) -> Figure:
    """Draw the batch that a rule makes of BALD's scores, beside the highest scores."""
    X, _, y = shared_data()
    clf = fit_on_labeled(model_for(pool.BALD), X, y)
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    # Where labels cost differently, those on the right cost five times as much.
    cost = {"cost": np.where(X[:, 0] > 1, 5.0, 1.0)} if cls is pool.PerCost else {}
    rules = [pool.TopK(), cls()] if cls is not pool.TopK else [cls()]
    axes = figure.subplots(1, 2, squeeze=False)[0]
    for ax, rule in zip(axes, rules, strict=False):
        strategy = pool.BALD(selection=rule, random_state=0)
        asked = {"clf": clf, "fit_clf": False, "batch_size": 2 * BATCH}
        picks = strategy.query(X, y, **asked, **(cost if type(rule) is cls else {}))
        _, scores = pool.BALD(random_state=0).query(
            X, y, clf, fit_clf=False, return_utilities=True
        )
        plot_utilities(X, scores[0], ax)
        plot_points(X, y, ax=ax)
        plot_picks(X, picks, ax=ax)
        ax.set_title(f"{type(rule).__name__} of BALD", fontsize=10)
    for ax in axes[len(rules) :]:
        ax.remove()
    return figure


def draw_classifier(cls: type[Any]) -> Figure:
    """Draw the uncertainty of a classifier, in parts where it has draws."""
    X, _, y = shared_data()
    given = {} if "net" not in parameters_of(cls) else {"net": net()}
    clf = fit_on_labeled(cls(**given, classes=[0, 1, 2], random_state=0), X, y)
    has_draws = hasattr(as_model(clf), "sample_proba")
    parts = ["total", "aleatoric", "epistemic"] if has_draws else ["total"]
    figure = Figure(figsize=(3.1 * len(parts) + 0.6, 3.1), layout="constrained")
    axes = figure.subplots(1, len(parts), squeeze=False)[0]
    for ax, part in zip(axes, parts, strict=True):
        plot_uncertainty(clf, X, part, ax)
        plot_boundary(clf, X, "white", ax)
        plot_points(X, y, ax=ax)
    figure.colorbar(axes[0].collections[0], ax=axes, label="nats", shrink=0.8)
    return figure


def draw_regressor(cls: type[Any]) -> Figure:
    """Draw the prediction of a regressor and its epistemic deviation along a line."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-2, -0.5, 20), rng.uniform(1, 2, 20)])
    targets = np.sin(2 * x) + rng.normal(scale=0.1, size=x.shape)
    line = np.linspace(-3, 3, 200)

    def rows(values: Any) -> Any:
        """Return features in which the line is curved, for models without a net."""
        powers = [values] if has_layers else [values**k for k in range(1, 6)]
        return np.stack(powers, axis=1).astype(np.float32)

    has_net = "net" in parameters_of(cls)
    has_layers = has_net or "n_hidden" in parameters_of(cls)
    given = {"net": net(NeuralNetRegressor, module__n_classes=1)} if has_net else {}
    reg = cls(**given, random_state=0).fit(rows(x), targets)
    mean = np.ravel(reg.predict(rows(line)))
    epistemic, _ = as_model(reg).predict_variance(rows(line))
    deviation = np.ravel(epistemic.sqrt().numpy(force=True))
    figure = Figure(figsize=(6, 3.1), layout="constrained")
    ax = figure.subplots()
    ax.fill_between(line, mean - 2 * deviation, mean + 2 * deviation, alpha=0.25, lw=0)
    ax.plot(line, mean, label="prediction, two epistemic deviations")
    ax.plot(x, targets, "k.", label="labels")
    ax.set(xlabel="x", ylabel="y", ylim=(-4, 4))
    ax.legend(frameon=False, loc="upper left", fontsize=8)
    return figure


def kind_of(cls: type[Any]) -> str:
    """Return which sort of page a class has."""
    if issubclass(cls, DeepQueryStrategy):
        return "strategy"
    if issubclass(cls, SelectionRule):
        return "rule"
    return "regressor" if cls.__name__.endswith("Regressor") else "classifier"


DRAW = {
    "strategy": draw_strategy,
    "rule": draw_rule,
    "classifier": draw_classifier,
    "regressor": draw_regressor,
}
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


def caption_of(cls: type[Any]) -> str:
    """Return what the picture of a class shows."""
    kind = kind_of(cls)
    if kind == "strategy":
        if looks_at_inputs(example_of(cls)):
            how = "Points are their own embeddings; the net of the lines is not asked."
        else:
            how = f"It asks a ``{type(model_for(cls)).__name__}``."
        return CAPTIONS[kind].format(how=how)
    if kind == "rule":
        how = " Labels on the right cost five times as much." * (cls is pool.PerCost)
        return CAPTIONS[kind].format(how=how)
    has_draws = kind == "classifier" and hasattr(cls, "sample_proba")
    parts = ", and its parts, by the draws" if has_draws else ""
    return CAPTIONS[kind].format(parts=parts)


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


def results() -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield the tables of benchmarks/RESULTS.md: section, header, rows."""
    text = (DOCS.parent / "benchmarks" / "RESULTS.md").read_text()
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        title = section.split("\n")[0]
        for table in re.findall(r"(?:^\|.*\n)+", section, re.M):
            header, _, *rows = (
                [cell.strip() for cell in line.strip("|").split("|")]
                for line in table.splitlines()
            )
            yield title, header, rows


def evidence_of(cls: type[Any]) -> str:
    """Return the rows of the benchmarks that measure a class, with their baseline."""
    names = {cls.__name__, extras()[cls.__name__].get("measured_as", cls.__name__)}
    parts = []
    for title, header, rows in results():
        if header[0] == "kernel":  # speed: the page of benchmarks has it whole
            continue
        own = [row for row in rows if names & {*row[:2]}]
        if not own:
            continue
        column = next(i for i in (0, 1) if {row[i] for row in own} & names)
        others = [row for row in rows if row[column] in ("random", "supervised")]
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


def draw(cls: type[Any], path: Path) -> None:
    """Draw the picture of a class into a file."""
    with warnings.catch_warnings(), mpl.rc_context({"savefig.dpi": 90}):
        warnings.simplefilter("ignore")  # such as draws that are used up: as in life
        DRAW[kind_of(cls)](cls).savefig(path)


def write(folder: Path) -> None:
    """Write all pages, and the pictures that are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # tiny nets gain nothing from more
    (folder / "index.rst").write_text(index())
    for classes in pages().values():
        for cls in classes:
            path = folder / f"{cls.__name__}.png"
            if has_picture(cls) and not path.exists():
                draw(cls, path)
            path.with_suffix(".rst").write_text(page_of(cls))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
