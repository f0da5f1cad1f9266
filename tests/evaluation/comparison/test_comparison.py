"""Strategies compared on starts that they share."""

import csv
import json
import struct
from html.parser import HTMLParser
from xml.etree import ElementTree

import joblib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy import stats
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import RandomSampling, UncertaintySampling
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.linear_model import SGDClassifier
from support import MAKERS, make_net

from skal_deep.evaluation import (
    SimulatedActiveLearner,
    Table,
    compare_strategies,
    plot_curves,
    plot_differences,
)
from skal_deep.evaluation._metrics import MEASURED
from skal_deep.pool import BALD, CoreSet

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
SMALL = {"n_cycles": 2, "batch_size": 5, "progress": False, "random_state": 0}


def compare(strategies, estimator=None, **params):
    estimator = ParzenWindowClassifier() if estimator is None else estimator
    defaults = SMALL | {"n_repeats": 3}
    return compare_strategies(strategies, estimator, X, y, **(defaults | params))


def scores(comparison):
    """The curves without times and memory."""
    return [
        {key: value for key, value in row.items() if key not in MEASURED}
        for row in comparison.curves
    ]


@pytest.fixture(scope="module")
def comparison():
    strategies = {"core <set>": CoreSet(), "unsure": UncertaintySampling()}
    return compare(strategies, scoring=["accuracy", "neg_log_loss"], n_repeats=4)


class TestPairing:
    @pytest.mark.slow
    def test_starts_are_shared(self):
        net = MAKERS["dropout"](make_net(max_epochs=2))
        result = compare([BALD(), CoreSet()], net, scoring="neg_log_loss")
        first = [result.curve(name)[:, 0] for name in result.strategies]
        assert result.strategies == ["random", "BALD", "CoreSet"]
        for other in first[1:]:
            np.testing.assert_array_equal(other, first[0])
        assert len(set(first[0])) == 3  # repeats differ

    @pytest.mark.slow
    def test_a_job_depends_on_its_arguments_alone(self):
        alone = compare([CoreSet()], n_repeats=2)
        together = compare([UncertaintySampling(), CoreSet()], n_repeats=3)
        for name in ("random", "CoreSet"):
            np.testing.assert_array_equal(alone.curve(name), together.curve(name)[:2])

    @pytest.mark.slow
    def test_equal_seeds_give_equal_runs(self):
        expected = scores(compare([CoreSet()], n_repeats=2))
        with joblib.parallel_config(backend="threading", n_jobs=2):
            assert scores(compare([CoreSet()], n_repeats=2)) == expected
        assert scores(compare([CoreSet()], n_repeats=2, random_state=1)) != expected

    def test_an_irreproducible_estimator_is_refused(self):
        class Moody(ClassifierMixin, BaseEstimator):
            def fit(self, X, y):
                self.classes_ = np.unique(y)
                self.guess_ = np.random.default_rng()
                return self

            def predict(self, X):
                return self.guess_.choice(self.classes_, len(X))

        with pytest.raises(RuntimeError, match="not paired"):
            compare([CoreSet()], Moody())

    @pytest.mark.slow
    def test_threads_and_generators_are_left_alone(self):
        torch.set_num_threads(2)
        try:
            torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()
            compare([BALD()], MAKERS["dropout"](make_net(max_epochs=1)), n_repeats=1)
            assert torch.get_num_threads() == 2
            assert torch.equal(torch.get_rng_state(), torch_state)
            np.testing.assert_array_equal(np.random.get_state()[1], numpy_state[1])
        finally:
            torch.set_num_threads(1)


class TestStrategies:
    @pytest.mark.slow
    def test_random_is_added(self, comparison):
        assert comparison.strategies == ["random", "core <set>", "unsure"]
        assert compare([RandomSampling(), CoreSet()]).strategies == [
            "random",
            "CoreSet",
        ]
        assert compare({}).strategies == ["random"]

    def test_names_are_unambiguous(self):
        with pytest.raises(ValueError, match="same class need names"):
            compare([CoreSet(), CoreSet()])
        with pytest.raises(ValueError, match="another name"):
            compare({"random": CoreSet()})

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"n_repeats": 0}, "n_repeats"),
            ({"test_size": None}, "score on"),
            ({"scoring": "acuracy"}, "acuracy"),
            ({"n_initial": 0}, "n_initial"),
        ],
        ids=str,
    )
    def test_bad_parameters_are_named(self, params, message):
        with pytest.raises(ValueError, match=message):
            compare([CoreSet()], **params)

    @pytest.mark.slow
    def test_given_test_data_are_scored_on(self):
        result = compare([CoreSet()], X_test=X[:20], y_test=y[:20])
        times_20 = result.curve("CoreSet") * 20
        np.testing.assert_allclose(times_20, times_20.round(), atol=1e-9)
        assert result.settings["test_size"] == 20


class TestNumbers:
    @pytest.mark.slow
    def test_curves_are_those_of_the_learner(self, comparison):
        assert len(comparison.curves) == 3 * 4 * 3
        row = comparison.curves[0]
        assert {"strategy", "repeat", "stage", "n_labels", "accuracy"} < set(row)
        assert comparison.metrics == ("accuracy", "neg_log_loss")
        assert comparison.curve("unsure", "neg_log_loss").shape == (4, 3)
        learner = SimulatedActiveLearner(ParzenWindowClassifier(), CoreSet())
        assert set(learner.fit(X, y).learning_curve_) <= set(row)

    def test_summary(self, comparison):
        rows = {row["strategy"]: row for row in comparison.summary().rows}
        ours = rows["unsure"]
        gain = comparison.areas("unsure") - comparison.areas("random")
        error = gain.std(ddof=1) * np.sqrt(1 / 4 + 1 / 3)  # a quarter is set aside
        level = 1 - 0.05 / 2  # for each of two strategies
        low, high = stats.t.interval(level, 3, gain.mean(), error)
        assert (ours["low"], ours["high"]) == pytest.approx((low, high))
        assert ours["p"] == comparison.verdicts()["unsure"].p_value
        assert ours["final accuracy"] == comparison.curve("unsure")[:, -1].mean()
        assert rows["random"]["verdict"] == "baseline"
        assert rows["random"]["vs random"] is None
        text = repr(comparison.summary())
        lines = text.splitlines()[:5]
        assert lines[0].split()[0] == "strategy"
        assert len({len(line) for line in lines[1:]}) == 1
        assert "unsure" in text
        assert "4 repeats are too few" in text

    @pytest.mark.slow
    def test_given_test_data_make_repeats_independent(self, comparison):
        assert comparison.overlap == pytest.approx(1 / 3)
        assert compare([CoreSet()], test_size=30).overlap == 30 / 120
        given = compare([CoreSet()], X_test=X[::3], y_test=y[::3])
        assert given.overlap == 0
        theirs = stats.ttest_rel(given.areas("CoreSet"), given.areas("random"))
        assert given.difference("CoreSet").p_value == pytest.approx(theirs.pvalue)

    def test_one_repeat_allows_no_statement(self):
        result = compare([CoreSet()], n_repeats=1)
        assert "no statement" in repr(result.summary())
        assert result.plot().lines

    def test_penalty_matrix_has_the_order_of_the_strategies(self, comparison):
        assert comparison.penalty_matrix().shape == (3, 3)


class TestFigures:
    @pytest.mark.slow
    def test_a_notebook_shows_the_figure(self, comparison):
        png = comparison.figure()._repr_png_()
        assert png.startswith(b"\x89PNG\r\n")
        width, height = struct.unpack(">II", png[16:24])
        assert (width, height) == (1200, 500)

    @pytest.mark.slow
    @pytest.mark.parametrize("plot", [plot_curves, plot_differences])
    def test_axes_come_back_with_a_line_and_band_each(self, comparison, plot):
        ax = Figure().subplots()
        assert plot(comparison, ax) is ax
        assert len(ax.lines) == 3
        assert ax.get_xlabel() == "labels"
        labelled = {line.get_label() for line in ax.lines}
        assert {"core <set>", "unsure"} <= labelled

    def test_means_are_drawn(self, comparison):
        ax = comparison.plot(Figure().subplots(), "neg_log_loss")
        line = next(line for line in ax.lines if line.get_label() == "unsure")
        expected = comparison.curve("unsure", "neg_log_loss").mean(axis=0)
        np.testing.assert_allclose(line.get_ydata(), expected)
        assert ax.get_ylabel() == "neg log loss"


class _Page(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self):
        super().__init__()
        self.tags, self.references = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.references += [v for k, v in attrs if k in ("src", "href", "xlink:href")]


class TestFiles:
    @pytest.mark.slow
    def test_html_needs_no_other_file(self, comparison, tmp_path):
        path = tmp_path / "report.html"
        comparison.to_html(path)
        text = path.read_text("utf-8")
        page = _Page()
        page.feed(text)
        assert not page.tags & {"script", "link", "iframe", "img"}
        assert page.references
        assert all(
            reference.startswith(("#", "data:")) for reference in page.references
        )
        assert "url(http" not in text
        assert "@import" not in text
        assert "core &lt;set&gt;" in text
        assert "core <set>" not in text
        assert "prefers-color-scheme: dark" in text
        assert "scikit-learn" in text
        svg = text[text.index("<svg") : text.index("</svg>") + 6]
        assert ElementTree.fromstring(svg).tag.endswith("svg")

    @pytest.mark.slow
    def test_equal_comparisons_give_equal_pages(self, comparison, tmp_path):
        for name in ("a", "b"):
            comparison.to_html(tmp_path / name)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

    def test_csv_holds_the_curves(self, comparison, tmp_path):
        comparison.to_csv(tmp_path / "curves.csv")
        with (tmp_path / "curves.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [float(row["accuracy"]) for row in rows] == [
            row["accuracy"] for row in comparison.curves
        ]

    def test_json_holds_everything(self, comparison, tmp_path):
        comparison.to_json(tmp_path / "results.json")
        content = json.loads((tmp_path / "results.json").read_text())
        assert content["curves"] == comparison.curves
        assert content["settings"]["n_repeats"] == 4
        assert set(content["area_difference_to_random"]) == {"core <set>", "unsure"}

    def test_table(self, tmp_path):
        table = Table([{"a": "x", "b": 0.12345}, {"a": "yy", "b": None}], {"b": ".2f"})
        assert repr(table).splitlines() == ["a      b", "--  ----", "x   0.12", "yy"]
        table.to_csv(tmp_path / "table.csv")
        assert (tmp_path / "table.csv").read_text().splitlines()[1] == "x,0.12345"


@pytest.mark.slow
def test_scikit_learn_estimators_are_paired_by_their_random_state():
    result = compare([CoreSet()], SGDClassifier(max_iter=20, tol=None))
    np.testing.assert_array_equal(
        result.curve("random")[:, 0], result.curve("CoreSet")[:, 0]
    )
