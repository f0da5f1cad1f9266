"""Answers, seeds, copies and searches of every classifier over a net."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import (
    JOINT_MAKERS,
    MAKERS,
    POSTERIOR_MAKERS,
    answers_of_a_fresh_process,
    make_net,
)

from skal_deep.classifier import BayesianLinearClassifier, DeepClassifier, as_model
from skal_deep.modules import MLP


def test_learns_and_reports_probabilities(make, blobs):
    X, y = blobs
    clf = make().fit(X, y)
    proba = clf.predict_proba(X)
    assert clf.score(X, y) > 0.8
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)
    assert clf.embed(X).shape[0] == len(X)


@pytest.mark.parametrize(
    ("missing_label", "classes", "dtype"),
    [
        (-1, [3, 7, 9], int),
        (np.nan, [0, 1, 2], float),
        (None, ["c", "a", "b"], object),
        ("nan", ["c", "a", "b"], str),
    ],
)
def test_labels_of_any_kind(make, blobs, missing_label, classes, dtype):
    X, positions = blobs
    y = np.array([classes[p] for p in positions], dtype=dtype)
    y = np.array([v if i < 30 else missing_label for i, v in enumerate(y)], dtype=dtype)
    clf = make(classes=classes, missing_label=missing_label).fit(X, y)
    assert list(clf.classes_) == sorted(classes)
    assert np.mean(clf.predict(X)[:30] == y[:30]) > 0.7


def test_equal_seeds_give_equal_fits(make, partly):
    X, y = partly
    first, second = (make().fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, make(random_state=1).fit(X, y).predict_proba(X))


@pytest.mark.parametrize("random_state", [0, None, np.random.RandomState(3)])
def test_global_generators_are_neither_read_nor_moved(make, partly, random_state):
    X, y = partly
    results = []
    for seed in (1, 2):
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = np.random.get_state()[1].copy(), torch.get_rng_state()
        clf = make(random_state=random_state).fit(X, y)
        results.append(clf.predict_proba(X))
        clf.predict(X)
        assert np.array_equal(before[0], np.random.get_state()[1])
        assert torch.equal(before[1], torch.get_rng_state())
    if random_state is not None:
        np.testing.assert_array_equal(*results)


def test_predictions_do_not_move_anything(make, partly):
    X, y = partly
    clf = make().fit(X, y)
    before = copy.deepcopy([net.module_.state_dict() for net in clf.nets_])
    modes = [[m.training for m in net.module_.modules()] for net in clf.nets_]
    np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(X))
    clf.embed(X)
    for net, state, mode in zip(clf.nets_, before, modes, strict=True):
        assert all(
            torch.equal(v, state[k]) for k, v in net.module_.state_dict().items()
        )
        assert [m.training for m in net.module_.modules()] == mode
        assert not any(m._forward_hooks for m in net.module_.modules())


def test_answers_do_not_depend_on_the_batch_size(make, partly):
    X, y = partly
    clf = make().fit(X, y)
    other = copy.deepcopy(clf)
    for net in other.nets_:
        net.iterator_valid__batch_size = 7
    for mine, its in zip(
        clf.predict_proba(X, return_embeddings=True),
        other.predict_proba(X, return_embeddings=True),
        strict=True,
    ):
        np.testing.assert_allclose(mine, its, atol=1e-6)


@pytest.mark.slow
def test_grid_search_reaches_net_and_module(make, blobs):
    X, y = blobs
    grid = {"net__lr": [1e-6, 0.03], "net__module__n_hidden": [9]}
    search = GridSearchCV(make(), grid, cv=2).fit(X, y)
    assert search.best_params_["net__lr"] == 0.03
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.embed(X).shape[1] % 9 == 0


def test_score_counts_labelled_rows_only(make, blobs):
    X, y = blobs
    clf = make().fit(X, y)
    half = np.where(np.arange(60) % 2, y, -1)
    assert clf.score(X, half) == clf.score(X[1::2], y[1::2])
    assert np.isnan(clf.score(X, np.full(60, -1)))


def test_works_in_a_pipeline(make, partly, blobs):
    X, y = partly
    pipe = make_pipeline(StandardScaler(), make()).fit(X, y)
    assert pipe.score(*blobs) > 0.5


def test_clone_and_pickle(make, partly):
    X, y = partly
    clf = make().fit(X, y)
    assert not hasattr(clone(clf), "nets_")
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(clf.predict_proba(X), again.predict_proba(X))


@pytest.mark.slow
def test_unpickle_in_a_fresh_process(partly, tmp_path):
    X, y = partly
    makers = MAKERS | JOINT_MAKERS | POSTERIOR_MAKERS
    params = {"classes": [0, 1, 2], "random_state": 0}
    weight = np.ones(len(y))
    fitted = [
        make(make_net(max_epochs=6), **params).fit(
            X, y, weight if kind in MAKERS else None
        )
        for kind, make in makers.items()
    ]
    found = answers_of_a_fresh_process(fitted, X, "predict_proba", tmp_path)
    for kind, clf, proba in zip(makers, fitted, found, strict=True):
        np.testing.assert_array_equal(proba, clf.predict_proba(X), err_msg=kind)


@pytest.mark.slow
def test_fitted_classifiers_travel_to_workers(make, partly):
    X, y = partly
    clf = make().fit(X, y)
    answers = joblib.Parallel(n_jobs=2)(
        joblib.delayed(clf.predict_proba)(chunk) for chunk in np.array_split(X, 2)
    )
    np.testing.assert_allclose(np.concatenate(answers), clf.predict_proba(X), atol=1e-5)


def test_malformed_input(make, partly):
    X, y = partly
    clf = make()
    with pytest.raises(NotFittedError):
        clf.predict_proba(X)
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(np.where(X > 2, np.nan, X), y)
    clf.fit(X, y)
    with pytest.raises(ValueError, match="features"):
        clf.predict_proba(X[:, :1])
    with pytest.raises(ValueError, match="sample"):
        clf.predict_proba(X[:0])


def test_embedding_layer(make, partly):
    X, y = partly
    with pytest.raises(ValueError, match="none of"):  # before it trains
        make(embedding_layer="nowhere").fit(X, y)


def test_parameters_are_checked(make, partly):
    with pytest.raises(ValueError, match="'net' parameter"):
        make(net=MLP).fit(*partly)
    with pytest.raises(ValueError, match="'embedding_layer' parameter"):
        make(embedding_layer=3).fit(*partly)


@pytest.mark.parametrize("classes", [np.ones((3, 2)), torch.ones(3, 2), np.array(3)])
def test_classes_are_a_list(make, partly, classes):
    X, y = partly
    with pytest.raises(ValueError, match="classes must list the labels"):
        make(classes=classes).fit(X, y)


@pytest.mark.parametrize("labels", [[5, 1, 7], [2.0, 1.0, 0.0], [True, False]])
def test_scores_of_labels_beside_none(make, blobs, labels):
    X, positions = blobs
    y = np.array([labels[at % len(labels)] for at in positions], dtype=object)
    y[::7] = None
    clf = make(classes=None, missing_label=None).fit(X, y)
    known = y != None  # noqa: E711
    expected = np.mean(clf.predict(X)[known] == y[known])
    assert clf.score(X, y) == pytest.approx(expected)
    assert expected > 0.5


def test_a_layer_that_is_not_there_is_refused_before_training(make, partly):
    def train(*_, **__):
        raise AssertionError("it was trained")

    net = make_net(iterator_train=train)
    with pytest.raises(ValueError, match="embedding_layer='zz' is none of: "):
        make(net, embedding_layer="zz").fit(*partly)


class Named(MLP):
    """Returns logits by name."""

    def forward(self, x):
        return {"logits": super().forward(x)}


class Listed(MLP):
    """Returns logits in a list."""

    def forward(self, x):
        return [super().forward(x)]


@pytest.mark.parametrize(("module", "kind"), [(Named, "dict"), (Listed, "list")])
def test_outputs_that_are_no_tensor_are_named(make, partly, module, kind):
    with pytest.raises(TypeError, match=f"returns an object of type {kind}. Let it"):
        make(make_net(module)).fit(*partly)


def test_what_a_head_is_changed_to_does_not_reach_the_net(partly):
    X, y = partly
    clf = DeepClassifier(make_net(), classes=[0, 1, 2], random_state=0).fit(X, y)
    before = clf.predict_proba(X)
    for tensor in as_model(clf).linear_head(X):
        tensor.zero_()
    np.testing.assert_array_equal(clf.predict_proba(X), before)


@pytest.mark.parametrize(
    "clf", [MAKERS["deep"](make_net()), BayesianLinearClassifier()]
)
def test_what_is_behind_a_mask_is_not_learned(clf):
    X, y = np.ones((6, 2)) * np.arange(6)[:, None], np.arange(6) % 2
    masked = np.ma.masked_greater(X, 4)
    with pytest.raises(ValueError, match="X is masked"):
        clf.fit(masked, y)
    with pytest.raises(ValueError, match="X is masked"):
        clf.fit(X, y).predict_proba(masked)
    clf.predict_proba(np.ma.array(X))
