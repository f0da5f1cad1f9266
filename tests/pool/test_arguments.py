"""Arguments of a query that are none: a message that names them, for every strategy."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from comparisons import made_comparison
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from strategies import STRATEGIES, VARIANTS, maker, remembered

from skal_deep.classifier import DeepClassifier, MCDropoutClassifier
from skal_deep.evaluation import (
    AcrossDataSets,
    SimulatedActiveLearner,
    active_testing,
    check_posterior,
    compare_strategies,
    does_al_help,
)
from skal_deep.modules import ConvNet
from skal_deep.pool import BALD, EPIG, VAAL, CoreSet, MarginSampling, PredictiveEntropy
from skal_deep.testing._strategy_case import Case, small_classifier

ALL = STRATEGIES | VARIANTS
CASE = Case(CoreSet())
N = len(CASE.X)


def case_of(name):
    return Case(ALL[name], False, remembered(maker(ALL[name])))


@pytest.mark.parametrize("fit_clf", [True, False])
@pytest.mark.parametrize("name", ALL)
def test_weights_are_checked_even_where_they_are_not_used(name, fit_clf):
    case = case_of(name)
    clf = case.classifier() if fit_clf else case.fitted()
    for wrong in (np.ones(5), np.ones(N + 1), np.full(N, np.nan), "abc", [[1.0]] * N):
        with pytest.raises(ValueError, match="sample_weight"):
            case.query(clf=clf, fit_clf=fit_clf, sample_weight=wrong)


@pytest.mark.parametrize("wrong", [["1"] * N, [[1.0], [1.0, 2.0]], [None] * N])
def test_weights_that_are_no_numbers_are_refused_as_fit_refuses_them(wrong):
    with pytest.raises(ValueError, match="sample_weight must be one number a row"):
        CASE.query(sample_weight=wrong)


@pytest.mark.parametrize("name", ALL)
def test_junk_is_no_classifier(name):
    case = case_of(name)
    junk = (
        *("state", 3, {}, np.nan, False, object(), [case.classifier()]),
        *(DeepClassifier, LogisticRegression, KMeans(), StandardScaler()),
        make_pipeline(StandardScaler(), MinMaxScaler()),
    )
    for wrong in junk:
        with pytest.raises(TypeError, match="clf"):
            case.query(clf=wrong)
    with pytest.raises(TypeError, match="reg"):
        case.query(clf=LinearRegression())
    with pytest.raises(TypeError, match="reg"):
        case.query(clf=None, reg=LinearRegression)


@pytest.mark.parametrize(
    "wrong", [np.ones(2), np.ones(0), torch.ones(2), csr_matrix(np.eye(2)), "", None]
)
def test_whether_to_fit_is_true_or_false(wrong):
    with pytest.raises(TypeError, match="fit_clf must be True or False"):
        CASE.query(clf=CASE.classifier(), fit_clf=wrong)
    with pytest.raises(TypeError, match="fit_reg must be True or False"):
        CASE.query(clf=None, reg=LinearRegression(), fit_reg=wrong)


class Duck(BaseEstimator):
    """A classifier that inherits nothing of a classifier."""

    def fit(self, X, y):
        self.prior_ = np.bincount(y, minlength=3) / len(y)
        return self

    def predict_proba(self, X):
        return np.tile(self.prior_, (len(X), 1))


def test_what_has_the_methods_is_a_classifier():
    picks = CASE.query(PredictiveEntropy(random_state=0), clf=Duck(), batch_size=3)
    assert len(set(picks)) == 3


@pytest.mark.parametrize("is_image", [False, True], ids=["vectors", "images"])
@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (np.array([2**63], dtype=np.uint64), "36 rows"),
        ([10**30], "integers"),
        ([36], "36 rows"),
        ([-1], "negative"),
        (np.zeros((2, 3), dtype=int), "integers of one axis"),
        (np.zeros((2, 3, 4)), "rows of shape"),
        (np.ones(36, dtype=bool), "np.flatnonzero"),
        ([1.0, 2.0], "integers"),
        (["a"], "integers"),
        ([None], "integers"),
        ([], "empty"),
        (np.zeros((0, 2)), "empty"),
        ([[1], [1, 2]], "one shape"),
        (5, "it is 5"),
        ("all", "it is 'all'"),
    ],
)
def test_malformed_candidates_are_named(is_image, candidates, message):
    with pytest.raises(ValueError, match=message):
        Case(CoreSet(), is_image).query(candidates=candidates)


@pytest.mark.slow
def test_candidates_of_another_type():
    picks = {
        dtype: CASE.query(candidates=np.arange(9, 30, dtype=dtype), batch_size=3)
        for dtype in ("u1", "u8", "i2", "i8")
    }
    for other in picks.values():
        np.testing.assert_array_equal(other, picks["i8"])
        assert other.dtype == np.intp


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.full((N, 2), "a", dtype=object), "X holds Python objects"),
        (np.full((N, 2), "a"), "X must hold numbers"),
        (np.zeros((N, 2), dtype="M8[s]"), "X must hold numbers"),
        (np.zeros((N, 2), dtype=complex), "Complex data not supported: X"),
        ([[1.0]] * (N - 1) + [[1.0, 2.0]], "one shape"),
        (3, "array of rows"),
        ("text", "array of rows"),
        (DeepClassifier, "array of rows"),
        (iter([[1.0]] * N), "can be taken by number"),
        ({"a": 1}, "an array, an entry a row"),
        ({"a": [[1.0]] * N, "b": [1.0]}, "as many rows each"),
        ({"a": [[1]] * (N - 1) + [[1, 2]]}, "pad them: tokenizer"),
        (np.ma.masked_array(np.zeros((N, 2)), np.eye(N, 2)), "masked"),
        (["a text"] * N, "TfidfVectorizer"),
        (pd.DataFrame({"a": ["x"] * N}), "OneHotEncoder"),
        (pd.DataFrame(np.zeros((N, 2)), columns=["a", "a"]), "several columns"),
    ],
)
def test_inputs_that_are_no_numbers_are_named(X, message):
    with pytest.raises((TypeError, ValueError), match=message):
        CASE.query(X=X)


@pytest.mark.parametrize("candidates", [None, [9, 10]])
@pytest.mark.parametrize("y", [None, np.nan, 3])
def test_labels_that_are_none_are_named(y, candidates):
    with pytest.raises(TypeError, match="y must hold one label"):
        CASE.query(y=y, candidates=candidates)


def test_numbers_in_an_array_of_objects_are_numbers():
    picks = CASE.query(X=CASE.X.astype(object), batch_size=4)
    np.testing.assert_array_equal(picks, CASE.query(batch_size=4))


@pytest.mark.slow
@pytest.mark.parametrize("is_routed", [False, True], ids=["plain", "routed"])
@pytest.mark.parametrize("last", [small_classifier(False), LogisticRegression()])
def test_weights_reach_the_last_step_of_a_pipeline(is_routed, last):
    weight = np.where(CASE.y_true == 0, 1.0, 0.01)
    with sklearn.config_context(enable_metadata_routing=is_routed):
        pipeline = make_pipeline(StandardScaler(), last)
        even, tilted = (
            CASE.query(
                PredictiveEntropy(random_state=0),
                clf=pipeline,
                sample_weight=w,
                return_utilities=True,
            )[1]
            for w in (None, weight)
        )
        assert not np.allclose(even, tilted, equal_nan=True)
        asked = pipeline[0].get_metadata_routing().fit.requests
        assert asked.get("sample_weight") is None  # the caller's is as it was


def test_what_a_user_has_routed_stays():
    seen = []

    class Recorded(StandardScaler):
        def fit(self, X, y=None, sample_weight=None):
            seen.append(sample_weight)
            return super().fit(X, y, sample_weight)

    with sklearn.config_context(enable_metadata_routing=True):
        scaler = Recorded().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(scaler, LogisticRegression())
        MarginSampling().query(CASE.X, CASE.y, pipeline, sample_weight=np.ones(N))
    assert seen
    assert all(weight is not None for weight in seen)


@pytest.mark.parametrize(
    "wrong", [1.7, "a", -1, True, np.True_, np.random.default_rng(0)], ids=str
)
def test_a_seed_is_an_integer(wrong):
    """Wherever there is a parameter random_state; those of fit are in test_refits."""
    X, y, clf = CASE.X, CASE.y_true, CASE.fitted()
    learner = SimulatedActiveLearner(clf, CoreSet(), random_state=wrong)
    across = AcrossDataSets({name: made_comparison({"a": 0.1}) for name in "bc"})
    for call in (
        lambda: CASE.query(CoreSet(random_state=wrong)),
        lambda: CASE.query(BALD(random_state=wrong)),
        lambda: clf.sample_proba(X, 3, random_state=wrong),
        lambda: active_testing(clf, X, 5, random_state=wrong),
        lambda: check_posterior(clf, X, random_state=wrong),
        lambda: learner.fit(X, y),
        lambda: compare_strategies([CoreSet()], clf, X, y, random_state=wrong),
        lambda: does_al_help(clf, X, y, random_state=wrong),
        lambda: across.signed_rank("a", random_state=wrong),
    ):
        with pytest.raises((TypeError, ValueError), match="random_state"):
            call()


class Lookup(MCDropoutClassifier):
    """Remembers which inputs it is asked about."""

    asked = []

    def _draw(self, X, n_samples, seed):
        self.asked.append(X)
        return super()._draw(X, n_samples, seed)


@pytest.mark.slow
def test_targets_are_not_cut_to_integers():
    counts = np.random.default_rng(0).integers(0, 9, size=(N, 2))
    clf = Lookup(small_classifier(False).net, n_samples=4, classes=[0, 1, 2])
    targets = np.array([[0.5, 1.7], [2.2, 0.1]])
    EPIG(X_target=targets).query(counts, CASE.y, clf)
    assert any(np.array_equal(X, targets) for X in Lookup.asked)
    EPIG(X_target=targets.round()).query(counts, CASE.y, clf)
    assert Lookup.asked[-2].dtype == Lookup.asked[-1].dtype == counts.dtype


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([["a", "b"]], "X_target must hold numbers"),
        (np.zeros((0, 2)), "one row at least"),
        ([[np.nan, 0.0]], "finite"),
        ([[1.0, 2.0, 3.0]], r"shape \(3,\)"),
    ],
)
def test_targets_that_are_none(targets, message):
    with pytest.raises(ValueError, match=message):
        CASE.query(EPIG(X_target=targets))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(9, 9), (9, 9, 3), (16, 12, 1)], ids=str)
def test_images_with_axes_of_another_order(shape):
    X = np.random.default_rng(0).normal(size=(N, *shape)).astype(np.float32)
    clf = small_classifier(True)
    hint = r"X\[:, None\]" if len(shape) == 2 else r"np.moveaxis\(X, -1, 1\)"
    with pytest.raises(ValueError, match=hint):
        BALD().query(X, CASE.y, clf)
    with pytest.raises(ValueError, match=hint):
        clf.fit(X, CASE.y)
    vaal = VAAL(n_iterations=2, train_batch_size=8, latent_dim=4)
    if len(shape) == 3:
        with pytest.raises(ValueError, match=hint):
            vaal.query(X, CASE.y)
        X = np.moveaxis(X, -1, 1)
    else:
        X = X[:, None]
    vaal.query(X, CASE.y)
    BALD().query(X, CASE.y, clf)


@pytest.mark.slow
def test_maps_of_features_are_no_images_with_channels_last():
    X = np.zeros((N, 24, 4, 4), dtype=np.float32)
    X += np.random.default_rng(0).normal(size=X.shape)
    small_classifier(True).fit(X, CASE.y)
    VAAL(n_iterations=2, train_batch_size=8, latent_dim=4).query(X, CASE.y)
    clf = small_classifier(True)
    clf.set_params(net__module__n_channels=8)  # said, not guessed
    clf.fit(np.zeros((N, 8, 8, 4), np.float32) + X[:, :8, :1, :4], CASE.y)
    assert isinstance(clf.nets_[0].module_, ConvNet)


@pytest.mark.parametrize("size", [2**63 - 1, 2**63, 2**70])
@pytest.mark.filterwarnings("ignore:.*larger than number of candidates")
def test_a_batch_without_end_is_the_whole_pool(size):
    picks = CASE.query(PredictiveEntropy(random_state=0), batch_size=size)
    assert len(picks) == np.count_nonzero(CASE.y == -1)
