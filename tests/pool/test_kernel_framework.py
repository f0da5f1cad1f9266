"""LCMD and MaxDet ask the net for the right gradients."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNetRegressor

from skal_deep.classifier import as_model
from skal_deep.functional import last_layer_features, lcmd, max_det
from skal_deep.modules import MLP
from skal_deep.pool import LCMD, MaxDet
from skal_deep.testing._strategy_case import Case


@pytest.fixture
def case():
    return Case(LCMD())


def utilities_of(case, strategy, **given):
    _, utilities = case.query(strategy, return_utilities=True, **given)
    return utilities[0, case.y == -1]


def by_row(case, clf):
    proba, embedding = clf.predict_proba(case.X, return_embeddings=True)
    features = last_layer_features(
        torch.as_tensor(proba), torch.as_tensor(embedding), 512
    )
    return features[case.y == -1], features[case.y != -1]


@pytest.mark.slow
def test_lcmd_measures_distances_of_loss_gradients(case):
    clf = case.fitted()
    found = utilities_of(case, LCMD(), clf=clf, fit_clf=False)
    features, centers = by_row(case, clf)
    nearest, owner = torch.cdist(features, centers).square().min(1)
    largest = torch.zeros(len(centers)).index_add(0, owner, nearest).argmax()
    expected = torch.where(owner == largest, nearest, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_max_det_measures_variances_relative_to_labelled_rows(case):
    clf = case.fitted()
    found = utilities_of(case, MaxDet(noise=0.1), clf=clf, fit_clf=False)
    features, labeled = by_row(case, clf)
    noise = 0.1 * float(labeled.square().sum(1).mean())
    expected = max_det(features, labeled, 1, noise=noise)[1][0]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize(
    "strategy", [MaxDet(noise=0.1, weights="all"), LCMD(weights="all")]
)
def test_all_weights_count_where_they_are_asked_for(case, strategy):
    clf = case.fitted()
    found = utilities_of(case, strategy, clf=clf, fit_clf=False)
    features = as_model(clf).weight_gradients(case.X, 512, 0)
    labeled, left = features[case.y != -1], features[case.y == -1]
    assert features.shape == (len(case.X), 371)  # all weights and biases
    if isinstance(strategy, MaxDet):
        noise = 0.1 * float(labeled.square().sum(1).mean())
        expected = max_det(left, labeled, 1, noise=noise)[1][0]
    else:
        expected = lcmd(left, labeled, 1)[1][0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["last", "all"])
def test_long_gradients_are_sketched_alike_for_all_rows(case, weights):
    clf = case.fitted()
    exact = utilities_of(
        case, MaxDet(noise=1.0, weights=weights), clf=clf, fit_clf=False
    )
    sketched = [
        utilities_of(
            case,
            MaxDet(noise=1.0, weights=weights, n_features=40, random_state=seed),
            clf=clf,
            fit_clf=False,
        )
        for seed in range(10)
    ]
    assert not np.allclose(sketched[0], sketched[1])
    assert np.corrcoef(exact, np.mean(sketched, axis=0))[0, 1] > 0.95


@pytest.mark.slow
def test_a_copy_of_a_labelled_row_is_at_distance_zero(case):
    known = case.y != -1
    X = np.concatenate([case.X[known]] * 2)
    y = np.concatenate([case.y[known], np.full(known.sum(), -1)])
    _, utilities = case.query(
        LCMD(n_features=5),
        X=X,
        y=y,
        clf=case.fitted(),
        fit_clf=False,
        return_utilities=True,
    )
    np.testing.assert_allclose(utilities[0, y == -1], 0, atol=1e-6)


@pytest.mark.parametrize("strategy", [LCMD(), MaxDet(), LCMD(weights="all")])
def test_inputs_serve_where_there_is_no_net(case, strategy):
    np.testing.assert_array_equal(
        case.query(strategy, clf=LogisticRegression(), batch_size=4),
        strategy.query(case.X, case.y, batch_size=4),
    )


def test_a_regression_net_gives_its_embedding_and_a_constant(case):
    reg = NeuralNetRegressor(
        MLP,
        module__n_features=2,
        module__n_classes=1,
        module__n_hidden=8,
        max_epochs=3,
        verbose=0,
        train_split=None,
    )
    left = case.y == -1
    reg.fit(case.X[~left], case.y_true[~left, None].astype(np.float32))
    _, utilities = MaxDet(noise=0.5).query(
        case.X, case.y, reg=reg, fit_reg=False, return_utilities=True
    )
    with torch.no_grad():
        embedding = reg.module_.layers[:-1].eval()(torch.as_tensor(case.X))
    features = last_layer_features(None, embedding, 512)
    assert features.shape == (len(case.X), 9)
    noise = 0.5 * float(features[~left].square().sum(1).mean())
    expected = max_det(features[left], features[~left], 1, noise=noise)[1][0]
    np.testing.assert_allclose(utilities[0, left], expected, rtol=1e-3)


def test_noise_fits_the_scale_of_candidates_where_nothing_is_labelled():
    """As 1e-6 beside rows of 1e8 it was lost in round-off, and so was the order."""
    X = 1e8 * np.random.default_rng(0).normal(size=(12, 2))
    y, strategy = np.full(12, np.nan), MaxDet(missing_label=np.nan, random_state=0)
    picks, utilities = strategy.query(X, y, batch_size=8, return_utilities=True)
    assert len(set(picks)) == 8
    assert (utilities[range(8), picks] > 0).all()
