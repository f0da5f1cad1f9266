"""Draw the pictures of the gallery, stills and films, on data that all pages share.

A film shows rounds of labelling. Its file has them side by side; the page plays them
one after the other, or shows the one that a reader asks for (docs/_static/rounds.js).
"""

import inspect
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
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

ROUNDS, BATCH = 6, 5
SIZE = 3.6, 3.1  # of a round of a film, in inches
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
    if cls is pool.AdaptiveStrategy:
        return cls([pool.MarginSampling(), pool.CoreSet()], random_state=0)
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


def played(
    strategy_of: Callable[[], Any], model_of: Callable[[], Any], color: str = "C3"
) -> Iterator[Callable[[Any], None]]:
    """Play rounds on the shared points, and yield what draws each of them on axes."""
    X, truth, y = shared_data()
    earlier: list[Any] = []
    for _ in range(ROUNDS):
        strategy, clf = strategy_of(), fit_on_labeled(model_of(), X, y)
        asked = {} if looks_at_inputs(strategy) else {"clf": clf, "fit_clf": False}
        if isinstance(getattr(strategy, "selection", None), pool.PerCost):
            asked["cost"] = costs(X)
        picks, utilities = strategy.query(
            X, y, **asked, batch_size=BATCH, return_utilities=True, rounds=earlier
        )
        earlier = [*earlier, picks]
        yield partial(paint_round, X, truth, y.copy(), clf, picks, utilities[0], color)
        y[picks] = truth[picks]


def paint_round(
    X: Any,
    truth: Any,
    y: Any,
    clf: Any,
    picks: Any,
    utilities: Any,
    color: str,
    ax: Any,
) -> None:
    """Draw one round: what was known, what the model made of it, what was asked."""
    plot_utilities(X, utilities, ax)
    plot_boundary(clf, X, ax=ax)
    plot_points(X, y, ax=ax)
    plot_picks(X, picks, color, ax)
    right = np.mean(clf.predict(X) == truth)
    ax.set_title(f"{np.sum(y != -1)} labels, accuracy {right:.2f}", fontsize=10)


def costs(X: Any) -> Any:
    """Return costs of labels: those on the right cost five times as much."""
    return np.where(X[:, 0] > 1, 5.0, 1.0)


def rounds_of_strategy(cls: type[Any]) -> Iterator[Callable[[Any], None]]:
    """Yield the rounds of a strategy."""
    color = strategy_styles([cls.__name__])[cls.__name__]["color"]
    return played(partial(example_of, cls), partial(model_for, cls), color)


def rounds_of_rule(cls: type[Any]) -> Iterator[Callable[[Any], None]]:
    """Yield the rounds of BALD with a rule."""
    strategy = partial(pool.BALD, selection=cls(), random_state=0)
    return played(strategy, partial(model_for, pool.BALD))


def rounds_of_classifier(cls: type[Any]) -> Iterator[Callable[[Any], None]]:
    """Yield what a classifier doubts while labels come, the same for all, by chance."""
    X, truth, y = shared_data()
    order = np.random.default_rng(0).permutation(np.flatnonzero(y == -1))
    for n_more in range(0, BATCH * ROUNDS, BATCH):
        y[order[:n_more]] = truth[order[:n_more]]
        clf = fit_on_labeled(trained(cls), X, y)
        yield partial(paint_doubt, clf, X, truth, y.copy())


def trained(cls: type[Any]) -> Any:
    """Return a classifier with the net of all pictures, if it takes one."""
    given = {} if "net" not in parameters_of(cls) else {"net": net()}
    return cls(**given, classes=[0, 1, 2], random_state=0)


def paint_doubt(clf: Any, X: Any, truth: Any, y: Any, ax: Any) -> None:
    """Draw what the draws of a classifier disagree about, or its entropy."""
    has_draws = hasattr(as_model(clf), "sample_proba")
    plot_uncertainty(clf, X, "epistemic" if has_draws else "total", ax)
    plot_boundary(clf, X, "white", ax)
    plot_points(X, y, ax=ax)
    right = np.mean(clf.predict(X) == truth)
    ax.set_title(f"{np.sum(y != -1)} labels, accuracy {right:.2f}", fontsize=10)


def rounds_of_regressor(cls: type[Any]) -> Iterator[Callable[[Any], None]]:
    """Yield the predictions of a regressor while labels come."""
    n_labels = len(noisy_sine()[0])
    for n in np.linspace(n_labels // ROUNDS, n_labels, ROUNDS).astype(int):
        yield partial(paint_line, cls, n)


def noisy_sine() -> tuple[Any, Any]:
    """Return points of a line with a gap, in random order, and their labels."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-2, -0.5, 20), rng.uniform(1, 2, 20)])
    targets = np.sin(2 * x) + rng.normal(scale=0.1, size=x.shape)
    order = rng.permutation(len(x))
    return x[order], targets[order]


def paint_line(cls: type[Any], n_labels: int, ax: Any) -> None:
    """Draw the prediction of a regressor and its epistemic deviation along a line."""
    x, targets = (values[:n_labels] for values in noisy_sine())
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
    ax.fill_between(line, mean - 2 * deviation, mean + 2 * deviation, alpha=0.25, lw=0)
    ax.plot(line, mean, label="prediction, two epistemic deviations")
    ax.plot(x, targets, "k.", label="labels")
    ax.set(xlabel="x", ylabel="y", ylim=(-4, 4))
    ax.set_title(f"{n_labels} labels", fontsize=10)
    ax.legend(frameon=False, loc="upper left", fontsize=8)


def side_by_side(rounds: list[Callable[[Any], None]]) -> Figure:
    """Draw some rounds side by side."""
    width = max(3 * len(rounds), 6)
    figure = Figure(figsize=(width, 3.1), layout="constrained")
    axes = figure.subplots(1, len(rounds), squeeze=False)[0]
    for ax, paint in zip(axes, rounds, strict=True):
        paint(ax)
    return figure


def still_of_rule(cls: type[Any]) -> Figure:
    """Draw the batch that a rule makes of BALD's scores, beside the highest scores."""
    X, _, y = shared_data()
    clf = fit_on_labeled(model_for(pool.BALD), X, y)
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    cost = {"cost": costs(X)} if cls is pool.PerCost else {}
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


def still_of_classifier(cls: type[Any]) -> Figure:
    """Draw the uncertainty of a classifier, in parts where it has draws."""
    X, _, y = shared_data()
    clf = fit_on_labeled(trained(cls), X, y)
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


def kind_of(cls: type[Any]) -> str:
    """Return which sort of page a class has."""
    if issubclass(cls, DeepQueryStrategy):
        return "strategy"
    if issubclass(cls, SelectionRule):
        return "rule"
    return "regressor" if cls.__name__.endswith("Regressor") else "classifier"


ROUNDS_OF: dict[str, Callable[[type[Any]], Iterator[Callable[[Any], None]]]] = {
    "strategy": rounds_of_strategy,
    "rule": rounds_of_rule,
    "classifier": rounds_of_classifier,
    "regressor": rounds_of_regressor,
}


def still_of(cls: type[Any], rounds: list[Callable[[Any], None]]) -> Figure:
    """Draw the picture of a class that does not move."""
    kind = kind_of(cls)
    if kind == "rule":
        return still_of_rule(cls)
    if kind == "classifier":
        return still_of_classifier(cls)
    return side_by_side(rounds[:3] if kind == "strategy" else rounds[-1:])


def rendered(paint: Callable[[Any], None]) -> Any:
    """Return the pixels of one round of a film."""
    figure = Figure(figsize=SIZE, dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    paint(figure.subplots())
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def save_film(rounds: list[Any], folder: Path, name: str) -> None:
    """Write pictures of rounds into one file, side by side."""
    film = Image.fromarray(np.hstack(rounds))
    # A palette makes the file half as large. Rare colours, such as those of labels,
    # must be in it, which the usual way to choose a palette does not see to.
    small = film.quantize(128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(folder / f"{name}-rounds.png", optimize=True)


def draw(cls: type[Any], folder: Path) -> None:
    """Draw the still picture and the film of a class into a folder."""
    with warnings.catch_warnings(), mpl.rc_context({"savefig.dpi": 90}):
        warnings.simplefilter("ignore")  # such as draws that are used up: as in life
        rounds = list(ROUNDS_OF[kind_of(cls)](cls))
        save_film([rendered(paint) for paint in rounds], folder, cls.__name__)
        still_of(cls, rounds).savefig(folder / f"{cls.__name__}.png")
