"""Queries on rows of every kind: tables, texts, files, sparse rows, dicts, gaps."""

import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import coo_array, csr_matrix
from skactiveml import pool as upstream
from skactiveml.classifier import SklearnClassifier
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    StandardScaler,
)
from support import make_net
from torch import nn

from skal_deep.classifier import (
    BayesianLinearClassifier,
    CapabilityError,
    DeepClassifier,
    DeepEnsembleClassifier,
    LaplaceClassifier,
    MCDropoutClassifier,
    MultiHeadClassifier,
    SnapshotEnsembleClassifier,
    SWAGClassifier,
    fit_on_labeled,
)
from skal_deep.embedding import Embedder
from skal_deep.evaluation import (
    SimulatedActiveLearner,
    check_posterior,
    compare_strategies,
)
from skal_deep.pool import (
    BALD,
    DFAL,
    EGL,
    EPIG,
    LCMD,
    VAAL,
    Badge,
    CoreSet,
    MarginSampling,
    PredictiveEntropy,
    TypiClust,
)
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import check_alike

RNG = np.random.default_rng(0)
N = 40
A = RNG.normal(size=(N, 3)).astype(np.float32)
LABELS = (A[:, 0] > 0).astype(int)
Y = np.where(np.arange(N) < 16, LABELS, -1)
ORDER = RNG.permutation(N)
WORDS = np.array([f"w{int(9 * a)} w{int(9 * b)} n{n}" for n, (a, b, _) in enumerate(A)])
FRAME = pd.DataFrame(
    {
        "a": A[:, 0],
        "colour": [*"xyzw"] * 10,
        "b": np.where(A[:, 1] > 1, np.nan, A[:, 1]),
    },
    index=np.arange(N) + 7,
)
GAPS = np.where(A > 1, np.nan, A)


class Tokens(nn.Module):
    """A net of tokens, their mask and a number; it returns what transformers do."""

    def __init__(self, n_classes=2, is_object=True):
        super().__init__()
        self.is_object = is_object
        self.words = nn.Embedding(10, 6, padding_idx=0)
        self.places = nn.Embedding(5, 6)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(7, n_classes)

    def forward(self, tokens, mask, number):
        vectors = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
        mean = (vectors * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        logits = self.head(self.drop(torch.cat([mean, number[:, None]], 1)))
        if not self.is_object:
            return logits
        output = Output(loss=None, logits=logits)
        output.logits = logits
        return output


class Output(OrderedDict):
    """Like the ModelOutput of transformers."""


MASK = np.ones((N, 5), int)
MASK[::3, 3:] = 0
TOKENS = {
    "tokens": np.where(MASK, RNG.integers(1, 10, size=(N, 5)), 0),
    "mask": torch.as_tensor(MASK),
    "number": A[:, 0].astype(np.float64).tolist(),
}


def net_of_tokens(**params):
    return make_net(Tokens, max_epochs=3, **params)


def table_model(last):
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b"]),
        (OneHotEncoder(handle_unknown="ignore"), ["colour"]),
    )
    return make_pipeline(columns, last)


def small_net():
    return MCDropoutClassifier(
        make_net(max_epochs=3, module__dropout=0.3),
        n_samples=6,
        classes=[0, 1],
        random_state=0,
    )


def permuted(X):
    """Return the rows in another order."""
    if isinstance(X, dict):
        return {name: np.asarray(part)[ORDER] for name, part in X.items()}
    if isinstance(X, list):
        return [X[row] for row in ORDER]
    return X.iloc[ORDER] if hasattr(X, "iloc") else X[ORDER]


CASES = {
    "frame": (FRAME, lambda: table_model(small_net())),
    "linear on a frame": (FRAME, lambda: table_model(LogisticRegression())),
    "frame of numbers": (FRAME[["a"]], LogisticRegression),
    "texts": (WORDS, lambda: make_pipeline(TfidfVectorizer(), small_net())),
    "list of texts": (
        WORDS.tolist(),
        lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()),
    ),
    "sparse": (csr_matrix(A), lambda: RandomForestClassifier(5, random_state=0)),
    "sparse to a net": (csr_matrix(A), small_net),
    "dict": (
        TOKENS,
        lambda: MCDropoutClassifier(
            net_of_tokens(), n_samples=6, classes=[0, 1], random_state=0
        ),
    ),
    "dict to a plain net": (TOKENS, lambda: net_of_tokens(module__n_classes=2)),
    "gaps": (GAPS, lambda: make_pipeline(SimpleImputer(), small_net())),
    "gaps to trees": (
        GAPS,
        lambda: RandomForestClassifier(5, random_state=0),
    ),
    "tensor": (torch.as_tensor(A), small_net),
    "Fortran order": (np.asfortranarray(A), small_net),
    "big-endian": (A.astype(">f4"), small_net),
    "half": (A.astype(np.float16), small_net),
}


def _refused(case, strategy, make):
    """Return what a query has to say if it cannot answer."""
    last = getattr(make(), "steps", [(None, make())])[-1][1]
    if isinstance(strategy, Badge) and isinstance(last, RandomForestClassifier):
        return "Badge needs embed of clf"
    # trees have no features of their own, and inputs with gaps no distances
    is_measured = isinstance(strategy, CoreSet) and case == "gaps to trees"
    return "SimpleImputer" if is_measured else None


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("strategy", [MarginSampling(), CoreSet(), Badge(), BALD()])
def test_picks_hang_neither_on_storage_nor_on_the_form_of_candidates(case, strategy):
    X, make = CASES[case]
    strategy = type(strategy)(random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="unable to|X does not have")
        if message := _refused(case, strategy, make):
            with pytest.raises((CapabilityError, ValueError), match=message):
                strategy.query(X, Y, make())
            return
        picks = strategy.query(X, Y, make(), batch_size=3)
        elsewhere = strategy.query(permuted(X), Y[ORDER], make(), batch_size=3)
        rows = permuted(X)
        foreign = np.flatnonzero(Y[ORDER] == -1)
        candidates = (
            {name: part[foreign] for name, part in rows.items()}
            if isinstance(rows, dict)
            else [rows[row] for row in foreign]
            if isinstance(rows, list)
            else rows.iloc[foreign]
            if hasattr(rows, "iloc")
            else rows[foreign]
        )
        as_rows, utilities = strategy.query(
            X,
            Y,
            make(),
            batch_size=3,
            candidates=candidates,
            return_utilities=True,
        )
    np.testing.assert_array_equal(picks, ORDER[elsewhere])
    np.testing.assert_array_equal(picks, ORDER[foreign[as_rows]])
    assert utilities.shape == (3, 24)
    assert set(vars(strategy)) <= {
        *strategy.get_params(),
        "missing_label_",
        "n_features_in_",
        "random_state_",
    }


@pytest.mark.slow
def test_layouts_of_an_array_are_one():
    picks = [
        BALD(random_state=0).query(X, Y, small_net(), batch_size=3)
        for X in (A, np.asfortranarray(A), A.astype(">f4"), torch.as_tensor(A), A[:])
    ]
    for other in picks[1:]:
        np.testing.assert_array_equal(picks[0], other)


@pytest.mark.slow
def test_a_frame_of_numbers_is_an_array_with_names():
    frame = pd.DataFrame(A, columns=["a", "b", "c"])
    for make in (LogisticRegression, small_net):
        picks = MarginSampling(random_state=0).query(frame, Y, make(), batch_size=3)
        others = MarginSampling(random_state=0).query(A, Y, make(), batch_size=3)
        np.testing.assert_array_equal(picks, others)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        DeepClassifier,
        DeepEnsembleClassifier,
        SnapshotEnsembleClassifier,
        MultiHeadClassifier,
        SWAGClassifier,
        LaplaceClassifier,
        MCDropoutClassifier,
    ],
)
def test_every_classifier_learns_from_a_dict(make):
    net = net_of_tokens(module__is_object=False).set_params(max_epochs=12)
    clf = make(net, classes=[0, 1], random_state=0)
    weight = np.linspace(1, 2, N)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*cycles")
        clf.fit(TOKENS, Y, weight)
    assert clf.n_features_in_ is None
    proba = clf.predict_proba(TOKENS)
    assert proba.shape == (N, 2)
    assert clf.embed(TOKENS).shape[0] == N
    assert clf.score(TOKENS, Y) == clf.score(TOKENS, np.where(Y < 0, -1, LABELS))
    some = {name: np.asarray(part)[:5] for name, part in TOKENS.items()}
    np.testing.assert_allclose(clf.predict_proba(some), proba[:5], atol=1e-5)
    with pytest.raises(ValueError, match="was fitted with rows of shape"):
        clf.predict_proba({**some, "tokens": some["tokens"][:, :2]})
    with pytest.raises(ValueError, match="was fitted with rows of shape"):
        clf.predict_proba(A)


@pytest.mark.slow
def test_words_of_a_named_layer():
    clf = DeepClassifier(net_of_tokens(), classes=[0, 1], random_state=0)
    named = EGL(weights="words", word_layer="words", random_state=0)
    picks, utilities = named.query(TOKENS, Y, clf, batch_size=3, return_utilities=True)
    assert (Y[picks] == -1).all()
    assert np.nanmin(utilities) > 0
    EGL(weights="all", random_state=0).query(TOKENS, Y, clf, batch_size=3)
    for layer in (None, "head", "nowhere"):
        with pytest.raises(CapabilityError, match=r"2 nn.Embedding layers \(words"):
            EGL(weights="words", word_layer=layer).query(TOKENS, Y, clf)
    with pytest.raises(CapabilityError, match="Name another layer"):
        EGL(weights="words", word_layer="places").query(TOKENS, Y, clf)


@pytest.mark.slow
def test_padding_is_no_word():
    clf = DeepClassifier(net_of_tokens(), classes=[0, 1], random_state=0)
    clf.fit(TOKENS, LABELS)
    lengths = clf._answers()["gradient_lengths"](
        {name: np.asarray(part) for name, part in TOKENS.items()}, "words"
    )
    assert ((lengths > 0).all(-1).numpy() == (MASK > 0)).all()


@pytest.mark.parametrize(
    ("strategy", "X", "model", "message"),
    [
        (
            MarginSampling(),
            WORDS,
            LogisticRegression(),
            "LogisticRegression needs",
        ),
        (MarginSampling(), TOKENS, LogisticRegression(), "dict of the arrays"),
        (MarginSampling(), WORDS, small_net(), "MLP needs rows of numbers.*Tfidf"),
        (MarginSampling(), FRAME, small_net(), "MLP needs rows.*ColumnTransformer"),
        (MarginSampling(), GAPS, small_net(), "NaN"),
        (MarginSampling(), GAPS, LogisticRegression(), "NaN"),
        (CoreSet(), GAPS, HistGradientBoostingClassifier(), "NaN.*SimpleImputer"),
        (CoreSet(), WORDS, None, "needs rows of numbers"),
        (CoreSet(), FRAME, DummyClassifier(), "CoreSet, which measures distances"),
        (VAAL(), FRAME, table_model(LogisticRegression()), "VAAL, which learns"),
        (DFAL(), TOKENS, net_of_tokens(module__n_classes=2), "one tensor of floats"),
        (
            MarginSampling(),
            FRAME,
            SklearnClassifier(
                table_model(LogisticRegression()), missing_label=-1, classes=[0, 1]
            ),
            "without the wrapper",
        ),
    ],
)
def test_refusals_say_what_to_pass(strategy, X, model, message):
    with pytest.raises((TypeError, ValueError), match=message):
        strategy.query(X, Y, model)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_candidates_from_elsewhere_must_be_finite(value):
    candidates = A[:3].copy()
    candidates[2, 1] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        MarginSampling().query(A, Y, LogisticRegression(), candidates=candidates)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (FRAME.index[20:], "labels of rows"),
        (FRAME[["b", "colour", "a"]], "same order"),
        (FRAME.rename(columns={"a": "c"}), "named"),
        (A, "X is a DataFrame of pandas, candidates is an array of numbers"),
        (FRAME.iloc[:0], "empty"),
        (np.array(["a"]), "integers"),
    ],
)
def test_candidates_of_another_kind_are_refused(candidates, message):
    with pytest.raises(ValueError, match=message):
        MarginSampling().query(
            FRAME, Y, table_model(LogisticRegression()), candidates=candidates
        )


LABELS_OF_ROWS = {
    "labels": pd.Series([20, 21], index=[20, 21]),
    "a part of a column": pd.Series(range(N))[20:22],
    "words": pd.Series([20, 21], index=["a", "b"]),
    "what was an index": pd.DataFrame(index=[20, 21]).reset_index()["index"],
}


@pytest.mark.parametrize("kind", LABELS_OF_ROWS)
def test_labels_of_rows_are_no_positions(kind):
    with pytest.raises(ValueError, match=r"pass candidates.to_numpy\(\)"):
        MarginSampling().query(
            A, Y, LogisticRegression(), candidates=LABELS_OF_ROWS[kind]
        )


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (pd.Series([], dtype=int), "nothing to query"),
        (np.ma.array([20, 21], mask=[True, False]), "candidates is masked"),
        (torch.empty(2, A.shape[1], device="meta"), "candidates is a tensor"),
        ({"a": A}, "candidates is a dict"),
        (WORDS[:2].tolist(), "integers"),
        (FRAME[:3], "X, an array of numbers, needs rows of numbers"),
    ],
)
def test_candidates_among_numbers_are_numbers(candidates, message):
    with pytest.raises((TypeError, ValueError), match=message):
        MarginSampling().query(A, Y, LogisticRegression(), candidates=candidates)


def test_candidates_may_be_tensors_of_any_kind():
    ask = MarginSampling(random_state=0).query
    rows = torch.tensor(A[20:30])
    pick = ask(A, Y, LogisticRegression(), candidates=A[20:30])
    for given in (rows.clone().requires_grad_(), rows.to_sparse()):
        assert ask(A, Y, LogisticRegression(), candidates=given) == pick
    assert ask(A, Y, LogisticRegression(), candidates=torch.arange(20, 30)) == pick + 20
    assert ask(A, Y, LogisticRegression(), candidates=pd.array(range(20, 30))) in (
        pick + 20
    )


def test_parts_of_a_dict_have_no_order():
    X = as_data({"a": A, "b": A})
    check_alike(as_data({"b": A, "a": A}), X, "others")
    with pytest.raises(ValueError, match="a dict of the arrays a"):
        check_alike(as_data({"a": A}), X, "others")


def test_positions_among_texts_and_rows_of_tables():
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    for rows in ([20, 21, 22], np.array([20, 21, 22]), pd.Series([20, 21, 22])):
        pick = MarginSampling(random_state=0).query(WORDS, Y, model, candidates=rows)
        assert pick[0] in set(rows)


@pytest.mark.slow
def test_targets_are_of_the_kind_of_the_pool():
    model = table_model(RandomForestClassifier(5, random_state=0))
    targets = FRAME.iloc[5:12]
    assert len(EPIG(X_target=targets, random_state=0).query(FRAME, Y, model)) == 1
    with pytest.raises(ValueError, match="X_target must be rows like those of X"):
        EPIG(X_target=A).query(FRAME, Y, model)
    with pytest.raises(ValueError, match="X_target must be rows like those of X"):
        EPIG(X_target=np.full((2, 2), np.nan)).query(FRAME, Y, model)
    forest = RandomForestClassifier(5, random_state=0)
    with pytest.raises(ValueError, match="X_target must be rows like those of X"):
        EPIG(X_target=WORDS).query(A, Y, forest)
    sparse = csr_matrix(A)
    picks = [
        EPIG(X_target=rows, random_state=0).query(sparse, Y, forest)
        for rows in (sparse[:9], sparse[:9].tocoo())
    ]
    assert picks[0] == picks[1]


def test_sparse_rows_of_any_format_are_one():
    model = RandomForestClassifier(5, random_state=0)
    picks = [
        MarginSampling(random_state=0).query(X, Y, model, batch_size=3)
        for X in (csr_matrix(A), csr_matrix(A).tocsc(), coo_array(A))
    ]
    np.testing.assert_array_equal(picks[0], picks[1])
    np.testing.assert_array_equal(picks[0], picks[2])


def read_lengths(rows):
    return torch.tensor([[len(row), row.count("w1"), row.count("-")] for row in rows])


def as_floats(tensor):
    return tensor.float()


@pytest.mark.slow
def test_embedders_take_texts_and_names_of_files(tmp_path):
    embedder = Embedder(as_floats, preprocess=read_lengths, version="1")
    model = make_pipeline(embedder, StandardScaler(), LogisticRegression())
    paths = [tmp_path / word.replace(" ", "_") for word in WORDS]
    for X in (WORDS, paths, [str(path) for path in paths]):
        picks = BADGE_OR_ENTROPY.query(X, Y, model, batch_size=2)
        assert (Y[picks] == -1).all()
        assert LCMD(random_state=0).query(X, Y, model, batch_size=2).shape == (2,)
    assert all(isinstance(path, Path) for path in paths)  # they are left as they were


BADGE_OR_ENTROPY = PredictiveEntropy(random_state=0)


@pytest.mark.parametrize("mark", [-1, None, np.nan])
def test_masked_labels_are_missing(mark):
    y = np.ma.array(LABELS, mask=np.arange(N) >= 16)
    y.data[16:] = 0
    ask = MarginSampling(missing_label=mark, random_state=0).query
    pick = MarginSampling(random_state=0).query(A, Y, LogisticRegression())
    assert ask(A, y, LogisticRegression()) == pick


def test_labels_may_be_a_tensor_with_a_gradient():
    y = torch.tensor(Y, dtype=torch.bfloat16, requires_grad=True)
    ask = MarginSampling(random_state=0).query
    assert ask(A, y, LogisticRegression()) == ask(A, Y, LogisticRegression())


def test_nan_among_words_is_refused_with_words():
    words = np.where(Y < 0, np.nan, LABELS.astype(str).astype(object))
    with pytest.raises(TypeError, match="pass missing_label=None"):
        MarginSampling(missing_label=np.nan).query(A, words, LogisticRegression())


def test_labels_may_be_missing_as_pandas_has_it():
    model = table_model(LogisticRegression())
    known = pd.Series(LABELS).where(np.arange(N) < 16)
    forms = (
        (known, np.nan),
        (known.astype("Int64"), np.nan),
        (known.map({0: "no", 1: "yes"}), None),
        (known.map({0: "no", 1: "yes"}).astype("string"), None),
    )
    picks = [
        MarginSampling(missing_label=mark, random_state=0).query(FRAME, y, model)
        for y, mark in forms
    ]
    assert len({int(pick[0]) for pick in picks}) == 1


def test_polars_frames_are_asked_as_they_are():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {"a": A[:, 0], "b": A[:, 1], "colour": FRAME["colour"].tolist()}
    )
    model = table_model(LogisticRegression())
    picks = MarginSampling(random_state=0).query(frame, Y, model, batch_size=3)
    elsewhere = MarginSampling(random_state=0).query(
        frame[ORDER.tolist()], Y[ORDER], model, batch_size=3
    )
    np.testing.assert_array_equal(picks, ORDER[elsewhere])
    assert (Y[picks] == -1).all()


@pytest.mark.parametrize("strategy", [CoreSet, TypiClust, MarginSampling])
def test_nan_is_no_class(strategy):
    """A strategy that only looks who has a label took NaN for one."""
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.full(30, -1.0)
    y[:9] = [0, 1, np.nan] * 3
    for clf in (None, LogisticRegression())[strategy is MarginSampling :]:
        with pytest.raises(ValueError, match=r"NaN among its labels.*np\.nan, not -1"):
            strategy().query(X, y, clf)
    gaps = pd.Series(y[:9]).astype("Int64").reindex(range(30))
    objects = np.array([None if v is pd.NA else v for v in gaps], dtype=object)
    picks = [
        strategy(random_state=0).query(X, labels, LogisticRegression()).tolist()
        for labels in (gaps, objects, np.where(np.isnan(y), -1, y))
    ]
    assert picks[0] == picks[1] == picks[2]


def test_classifiers_learn_no_class_named_nan():
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.where(np.arange(30) % 5 == 0, np.nan, X[:, 0] > 0)
    for params in ({}, {"classes": [0, 1]}):
        with pytest.raises(ValueError, match=r"NaN among its labels.*np\.nan, not -1"):
            BayesianLinearClassifier(**params).fit(X, y)
    clf = BayesianLinearClassifier(missing_label=np.nan).fit(X, y)
    assert clf.classes_.tolist() == [0, 1]


def test_studies_take_the_gaps_of_pandas_as_simulations_do():
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = pd.Series((X[:, 0] > 0).astype(int)).astype("Int64")
    y[::9] = pd.NA
    rules = {"n_initial": 6, "batch_size": 4, "n_cycles": 2, "random_state": 0}
    learner = SimulatedActiveLearner(LogisticRegression(), **rules).fit(X, y)
    played = compare_strategies(
        [MarginSampling()], LogisticRegression(), X, y, n_repeats=2, progress=False,
        **rules,
    )  # fmt: skip
    assert played.settings["n_labeled"] == 60 - 7
    for rows in (*learner.query_indices_, *played.picked("MarginSampling")[0]):
        assert (np.asarray(rows) % 9 != 0).all()


class LogScale(TransformerMixin, BaseEstimator):
    """A step of one's own that learns nothing, and so keeps nothing."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.sign(X) * np.log1p(np.abs(X))


# scikit-learn's Pipeline of the steps before the last takes such a one to be unfitted.
@pytest.mark.parametrize(
    ("strategy", "last"),
    [
        (CoreSet(), LogisticRegression()),
        (MarginSampling(), LogisticRegression()),
        (BALD(), LogisticRegression()),
        (BALD(), RandomForestClassifier(5, random_state=0)),
        (Badge(), DeepClassifier(make_net(max_epochs=2), random_state=0)),
        (MarginSampling(), make_net(module__n_features=2, module__n_classes=2)),
    ],
    ids=lambda part: type(part).__name__,
)
def test_a_step_that_learns_nothing_is_fitted(strategy, last):
    X = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    y = np.where(np.arange(30) < 12, X[:, 0] > 0, -1)
    strategy.set_params(random_state=0)
    own, its = (
        make_pipeline(step, last)
        for step in (LogScale(), FunctionTransformer(LogScale().transform))
    )
    picks = strategy.query(X, y, own, batch_size=3)
    np.testing.assert_array_equal(picks, strategy.query(X, y, its, batch_size=3))
    fitted = fit_on_labeled(own, X, y)
    assert len(strategy.query(X, y, fitted, fit_clf=False, batch_size=3)) == 3


class Resampler(BaseEstimator):
    """A step that changes the rows of a fit alone, as imbalanced-learn's do."""

    def fit_resample(self, X, y):
        return X[::2], y[::2]


class ResamplingPipeline(Pipeline):
    """A Pipeline that may have such steps."""

    def _validate_steps(self):
        pass

    def _without(self, steps, X):
        for _, step in steps:
            if step != "passthrough" and not hasattr(step, "fit_resample"):
                X = step.transform(X)
        return X

    def fit(self, X, y=None):
        for _, step in self.steps[:-1]:
            if hasattr(step, "fit_resample"):
                X, y = step.fit_resample(X, y)
            else:
                X = step.fit(X, y).transform(X)
        if hasattr(self.steps[-1][1], "fit"):
            self.steps[-1][1].fit(X, y)
        return self

    def transform(self, X):
        return self._without(self.steps, X)

    def predict_proba(self, X):
        return self.steps[-1][1].predict_proba(self._without(self.steps[:-1], X))


@pytest.mark.parametrize("strategy", [CoreSet(), MarginSampling(), BALD(), Badge()])
def test_a_pipeline_of_another_class_says_how_it_transforms(strategy):
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.where(np.arange(30) < 12, X[:, 0] > 0, -1)
    steps = [StandardScaler(), Resampler(), LogisticRegression()]
    pipeline = ResamplingPipeline([(str(at), step) for at, step in enumerate(steps)])
    strategy.set_params(random_state=0)
    assert len(set(strategy.query(X, y, pipeline, batch_size=3))) == 3


def test_studies_take_steps_that_learn_nothing():
    X = np.random.default_rng(0).normal(size=(60, 2))
    pipeline = make_pipeline(LogScale(), RandomForestClassifier(5, random_state=0))
    assert check_posterior(pipeline.fit(X, X[:, 0] > 0), X).verdict == "sound"
    strategies = [CoreSet(), upstream.TypiClust(missing_label=-1)]
    played = compare_strategies(
        strategies, pipeline, X, (X[:, 0] > 0).astype(int), n_repeats=1, n_cycles=1,
        n_initial=6, batch_size=4, progress=False, random_state=0,
    )  # fmt: skip
    assert all(len(rows) == 4 for rows in played.picked("CoreSet")[0][1:])
