"""Simulations and comparisons on rows of every kind."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import UncertaintySampling
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from skal_deep.evaluation import (
    SimulatedActiveLearner,
    compare_strategies,
    does_al_help,
    replay,
)
from skal_deep.pool import CoreSet, MarginSampling
from skal_deep.rows._data import RowDict, take

N = 60
A = np.random.default_rng(0).normal(size=(N, 3))
Y = (A[:, 0] > 0).astype(int)
TEXTS = [f"{'good' if y else 'bad'} number{n} word{n % 7}" for n, y in enumerate(Y)]
GAPS = np.where(A > 1, np.nan, A)
FRAME = pd.DataFrame({"a": GAPS[:, 0], "b": [*"xyz"] * 20}, index=range(9, 69))


def side_by_side(parts):
    return np.column_stack([parts["a"], parts["b"]])


COLUMNS = make_column_transformer(
    (SimpleImputer(), ["a"]), (OneHotEncoder(handle_unknown="ignore"), ["b"])
)
KINDS = {
    "frame": (FRAME, COLUMNS),
    "texts": (TEXTS, TfidfVectorizer()),
    "dict": ({"a": A, "b": A[:, 0].tolist()}, FunctionTransformer(side_by_side)),
    "gaps": (GAPS, SimpleImputer()),
}
KINDS["sparse"] = (csr_matrix(A).tocoo(), FunctionTransformer())
OPTIONS = {"n_repeats": 2, "n_initial": 6, "batch_size": 4, "progress": False}


def model(kind):
    return make_pipeline(KINDS[kind][1], LogisticRegression())


def model_of_upstream(kind):
    clf = SklearnClassifier(LogisticRegression(), classes=[0, 1], missing_label=-1)
    return make_pipeline(KINDS[kind][1], clf)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_comparison_goes_on_where_it_was_stopped(kind, tmp_path):
    X, clf = KINDS[kind][0], model(kind)
    strategies = {"margin": MarginSampling(), "core-set": CoreSet()}
    if kind not in ("texts", "sparse"):  # scikit-activeml knows no sparse rows
        clf = model_of_upstream(kind)
        strategies["upstream"] = UncertaintySampling(missing_label=-1)
    options = OPTIONS | {"run_dir": tmp_path / "run", "random_state": 0}
    compare_strategies(strategies, clf, X, Y, n_cycles=1, **options)
    longer = compare_strategies(strategies, clf, X, Y, n_cycles=2, **options)
    at_once = compare_strategies(
        strategies, clf, X, Y, n_cycles=2, **OPTIONS, random_state=0
    )
    for name in strategies:
        np.testing.assert_array_equal(longer.curve(name), at_once.curve(name))
    assert not longer.settings["failures"]
    page = tmp_path / "page.html"
    longer.to_html(page, X, Y)
    assert "where they are finite numbers" in page.read_text()
    replay(tmp_path / "run", X, Y, estimator=clf, progress=False)


@pytest.mark.slow
def test_other_contents_are_another_run(tmp_path):
    strategies, options = [MarginSampling()], OPTIONS | {"n_cycles": 1}
    paths = [tmp_path / f"{n}.txt" for n in range(N)]
    for path, text in zip(paths, TEXTS, strict=True):
        path.write_text(text)
    files = make_pipeline(TfidfVectorizer(input="filename"), LogisticRegression())
    renamed = FRAME.rename(columns={"a": "b", "b": "a"})
    changed = [*TEXTS[:30], "other", *TEXTS[31:]]
    for n, (clf, X, other) in enumerate(
        [
            (model("texts"), TEXTS, changed),
            (model("frame"), FRAME, renamed),
            (model("frame"), FRAME, FRAME.assign(a=FRAME["a"] + 1e-9)),
            (files, paths, paths),
        ]
    ):
        run = tmp_path / f"run {n}"
        compare_strategies(strategies, clf, X, Y, run_dir=run, **options)
        if X is other:
            paths[3].write_text("good again")
        with pytest.raises(ValueError, match="X"):
            compare_strategies(strategies, clf, other, Y, run_dir=run, **options)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_does_it_help(kind):
    answer = does_al_help(model(kind), KINDS[kind][0], Y, n_repeats=2, progress=False)
    assert "Does active learning help?" in str(answer)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_simulator_is_searched_and_validated(kind):
    X = KINDS[kind][0]
    learner = SimulatedActiveLearner(
        model(kind), MarginSampling(), n_initial=6, batch_size=4, n_cycles=1
    )
    if isinstance(X, dict):
        X = RowDict({name: np.asarray(part) for name, part in X.items()})
    elif hasattr(X, "tocsr"):
        X = X.tocsr()
    scores = cross_validate(learner, X, Y, cv=2, error_score="raise")["test_score"]
    assert np.isfinite(scores).all()
    assert learner.fit(X, Y).predict(X).shape == (N,)
    assert len(learner.query_indices_) == 2


def test_copies_of_rows_of_other_kinds_have_no_noise():
    learner = SimulatedActiveLearner(
        model("texts"), n_copies=2, n_initial=6, batch_size=4, n_cycles=1
    )
    with pytest.raises(ValueError, match="copy_noise=0"):
        learner.fit(TEXTS, Y)
    learner.set_params(copy_noise=0).fit(TEXTS, Y)
    assert max(map(max, learner.query_indices_)) < 2 * N


@pytest.mark.slow
def test_test_rows_are_of_the_same_kind():
    learner = SimulatedActiveLearner(model("frame"), n_initial=6, n_cycles=1)
    with pytest.raises(ValueError, match="X_test must be rows like those of X"):
        learner.fit(FRAME, Y, X_test=A, y_test=Y)
    learner.fit(FRAME, Y, X_test=take(FRAME, np.arange(9)), y_test=Y[:9])


@pytest.mark.slow
def test_a_column_of_texts_with_its_own_methods():
    def lower(column):
        return column.str.lower()

    clf = make_pipeline(
        FunctionTransformer(lower), TfidfVectorizer(), LogisticRegression()
    )
    column = pd.Series(TEXTS, index=range(100, 160))
    compare_strategies([MarginSampling()], clf, column, Y, n_cycles=1, **OPTIONS)
