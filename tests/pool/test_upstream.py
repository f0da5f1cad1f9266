"""Working together with scikit-activeml: its wrappers, plots, loops and strategies."""

import copy
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from skactiveml import pool as upstream
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import ParallelUtilityEstimationWrapper, SubSamplingWrapper
from skactiveml.pool.multiannotator import SingleAnnotatorWrapper
from skactiveml.utils import call_func, majority_vote
from skactiveml.visualization import (
    plot_annotator_utilities,
    plot_decision_boundary,
    plot_utilities,
)
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.ensemble import RandomForestClassifier
from strategies import STRATEGIES, check_remembered, maker, one_of_each, remembered
from support import MAKERS, WITHOUT_POSTERIOR, make_net

from skal_deep.pool import BALD, BatchBALD, Power, Softmax, SoftRank
from skal_deep.testing._strategy_case import small_classifier

# scikit-activeml's wrappers, plots and loops know of no earlier batches
pytestmark = pytest.mark.filterwarnings("ignore:AdaptiveStrategy is not told")

X, Y = make_blobs(60, centers=3, random_state=0)
X = X.astype(np.float32)


def partly(n_labels=6):
    return np.where(np.arange(60) < n_labels, Y, np.nan)


def classifier(strategy):
    return remembered(maker(strategy))(False, np.nan)


@pytest.fixture(params=STRATEGIES)
def strategy(request):
    yield clone(STRATEGIES[request.param]).set_params(
        missing_label=np.nan, random_state=0
    )
    check_remembered()


def test_one_call_for_all_strategies(strategy):
    """The loop of upstream's tutorials: everybody gets everything."""
    clf = ParzenWindowClassifier(classes=[0, 1, 2], class_prior=1.0).fit(X, partly())
    if strategy._needs and not strategy._works_on_inputs:
        clf = classifier(strategy).fit(X, partly())
    picks = call_func(
        strategy.query,
        X=X,
        y=partly(),
        clf=clf,
        fit_clf=False,
        ensemble=clf,
        fit_ensemble=False,
        estimator=clf,
        fit_estimator=False,
        discriminator=clf,
        batch_size=3,
    )
    assert len(set(picks)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("exclude", [False, True])
def test_subsampling(strategy, exclude):
    wrapper = SubSamplingWrapper(
        strategy, max_candidates=20, exclude_non_subsample=exclude, random_state=0
    )
    y = partly()
    for _ in range(2):
        picks, utilities = call_func(
            wrapper.query,
            X=X,
            y=y,
            clf=classifier(strategy),
            batch_size=3,
            return_utilities=True,
        )
        assert utilities.shape == (3, 60)
        assert np.isnan(y[picks]).all()
        y[picks] = Y[picks]


def check_parallel_parts(strategy, clf, backend):
    _, whole = strategy.query(X=X, y=partly(), clf=clf, return_utilities=True)
    wrapper = ParallelUtilityEstimationWrapper(
        strategy, n_jobs=2, parallel_dict={"backend": backend}
    )
    _, parts = wrapper.query(X=X, y=partly(), clf=clf, return_utilities=True)
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


def test_utilities_in_parallel_parts(strategy):
    check_parallel_parts(strategy, classifier(strategy), "threading")


# To start processes takes longer than all strategies in threads. What a process of its
# own may change is the model, and those who ask the same of it are alike.
@pytest.mark.nightly
def test_utilities_in_parallel_processes():
    for name in sorted(one_of_each()):
        strategy = clone(STRATEGIES[name])
        strategy.set_params(missing_label=np.nan, random_state=0)
        check_parallel_parts(strategy, maker(strategy)(False, np.nan), "loky")


@pytest.mark.parametrize("rule", [Power(), Softmax(), SoftRank(), Power(epsilon=0.1)])
def test_first_draws_in_parallel_parts(rule):
    """Scores of few trees tie, and are shares of the whole population all the same."""
    forest = RandomForestClassifier(8, random_state=0)
    strategy = BALD(selection=rule, missing_label=np.nan, random_state=0)
    _, whole = strategy.query(X, partly(), forest, return_utilities=True)
    wrapper = ParallelUtilityEstimationWrapper(strategy, n_jobs=1)
    _, parts = wrapper.query(X, partly(), clf=forest, return_utilities=True)
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:.*tells labelled")
def test_several_annotators(strategy):
    y = np.full((60, 3), np.nan)
    y[:, 0], y[:10, 1] = Y, Y[:10]
    wrapper = SingleAnnotatorWrapper(
        strategy,
        y_aggregate=lambda labels: majority_vote(labels, random_state=0),
        random_state=0,
    )
    picks, utilities = wrapper.query(
        X,
        y,
        clf=classifier(strategy),
        batch_size=4,
        n_annotators_per_sample=2,
        return_utilities=True,
    )
    assert picks.shape == (4, 2)
    assert utilities.shape == (4, 60, 3)
    assert np.isnan(y[picks[:, 0], picks[:, 1]]).all()


@pytest.mark.slow
def test_plots(strategy):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*tells labelled|posterior draws")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        plot_utilities(strategy, X=X, y=partly(), clf=classifier(strategy), res=4)
        y = np.full((60, 2), np.nan)
        y[:6] = Y[:6, None]
        plot_annotator_utilities(
            SingleAnnotatorWrapper(strategy, random_state=0),
            X=X,
            y=y,
            clf=classifier(strategy),
            res=4,
        )
    plt.close("all")


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_decision_boundary(kind):
    clf = MAKERS[kind](make_net(), classes=[0, 1, 2], random_state=0).fit(X, Y)
    plot_decision_boundary(clf, feature_bound=[[-5, -5], [5, 5]], res=4)
    plt.close("all")


def draws(**params):
    return {
        "sample_predictions_method_name": "sample_proba",
        "sample_predictions_dict": {"n_samples": 8, "random_state": 0},
        "random_state": 0,
        **params,
    }


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("name", "params", "argument"),
    [
        ("UncertaintySampling", {"random_state": 0}, "clf"),
        (
            "Badge",
            {"clf_embedding_flag_name": "return_embeddings", "random_state": 0},
            "clf",
        ),
        ("GreedyBALD", draws(), "ensemble"),
        ("BatchBALD", draws(n_MC_samples=8), "ensemble"),
        ("QueryByCommittee", draws(), "ensemble"),
    ],
)
def test_upstreams_strategies_take_our_classifiers(kind, name, params, argument):
    if argument == "ensemble" and kind in WITHOUT_POSTERIOR:
        pytest.skip("no posterior to sample")
    clf = MAKERS[kind](
        make_net(), classes=[0, 1, 2], missing_label=np.nan, random_state=0
    )
    strategy = getattr(upstream, name)(**params)
    for model in (clf, copy.deepcopy(clf).fit(X, partly())):
        picks = strategy.query(
            X,
            partly(),
            **{argument: model, f"fit_{argument}": model is clf},
            batch_size=3,
        )
        assert np.isnan(partly()[picks]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"), [(BALD, upstream.GreedyBALD), (BatchBALD, upstream.BatchBALD)]
)
def test_same_utilities_as_upstream(ours, theirs):
    clf = small_classifier(False, np.nan).fit(X, partly())
    strategy = theirs(**draws(sample_predictions_dict={"n_samples": 400}))
    _, its = strategy.query(X, partly(), clf, fit_ensemble=False, return_utilities=True)
    many = ours(n_samples=400, missing_label=np.nan, random_state=5)
    _, mine = many.query(X, partly(), clf, fit_clf=False, return_utilities=True)
    left = ~np.isnan(mine[0])
    assert np.corrcoef(mine[0, left], its[0, left])[0, 1] > 0.95
