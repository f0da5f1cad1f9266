"""Strategies that ask what the last layer makes of embeddings."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skal_deep import functional
from skal_deep.classifier import CapabilityError
from skal_deep.pool import AlfaMix, Bait, DropQuery
from skal_deep.testing._strategy_case import Case

X, Y = make_blobs(400, n_features=8, centers=4, cluster_std=4.0, random_state=0)
X = X.astype(np.float32)
Y_SOME = np.where(np.arange(400) < 30, Y, -1)
BOTH = pytest.mark.parametrize("strategy", [AlfaMix(), DropQuery()], ids=str)


def query(strategy, batch_size=4, clf=None, **change):
    clf = LogisticRegression(max_iter=1_000) if clf is None else clf
    arguments = {"X": X, "y": Y_SOME, "clf": clf, "return_utilities": True, **change}
    return strategy.set_params(random_state=0).query(**arguments, batch_size=batch_size)


def test_alfa_mix_prefers_rows_that_flip():
    picks, utilities = query(AlfaMix())
    clf = LogisticRegression(max_iter=1_000).fit(X[:30], Y[:30])
    anchors = [X[:30][Y[:30] == c].mean(0) for c in np.unique(Y[:30])]
    epsilons = functional.flipping_mix(
        *(torch.as_tensor(np.asarray(a, np.float32)) for a in (X, anchors)),
        *(torch.as_tensor(a.astype(np.float32)) for a in (clf.coef_, clf.intercept_)),
    ).numpy()
    bounds = 0.2 / np.sqrt(8) * np.arange(1, 6)
    bound = next(b for b in bounds if (epsilons[30:] < b).sum() > 4)
    flips = epsilons < bound
    assert 4 < flips[30:].sum() < 370
    assert flips[picks].all()
    assert utilities[0, 30:][flips[30:]].min() >= -2
    assert utilities[0, 30:][~flips[30:]].max() <= -2


@pytest.mark.slow
def test_alfa_mix_without_labels_groups_all_rows():
    case = Case(AlfaMix())
    with pytest.warns(UserWarning, match="AlfaMix mixes in the means"):
        picks = case.loud_query(y=np.full(36, -1), batch_size=5)
    assert len(set(picks)) == 5


@pytest.mark.slow
def test_drop_query_prefers_rows_that_change():
    picks, utilities = query(DropQuery(n_masks=9, rate=0.5), batch_size=2)
    chosen = utilities[0] > -2
    assert 50 <= chosen.sum() < 370
    assert chosen[picks].all()
    _, none = query(DropQuery(rate=0.0))
    assert (none[0, 30:] <= -2).all()


@BOTH
def test_equal_seeds_give_equal_picks(strategy):
    first, second = (query(strategy, 20)[0].tolist() for _ in range(2))
    assert first == second
    assert len(set(first)) == 20


@pytest.mark.slow
@BOTH
def test_a_pipeline_ends_in_a_linear_classifier(strategy):
    """Embeddings are what the last step sees."""
    piped = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    _, whole = query(strategy, 1, piped, fit_clf=False)
    X_seen = piped[0].transform(X)
    _, apart = query(strategy, 1, piped[-1], fit_clf=False, X=X_seen)
    np.testing.assert_allclose(whole, apart, rtol=1e-3)


@BOTH
def test_a_forest_has_no_linear_head(strategy):
    with pytest.raises(CapabilityError, match="linear_head"):
        query(strategy, clf=RandomForestClassifier(5))


def test_bait_tells_one_class_from_the_rest_where_weights_are_many(monkeypatch):
    full, binary = (query(Bait(binary=b))[1] for b in (False, True))
    assert (np.nan_to_num(full) != np.nan_to_num(binary)).any()
    for most, expected in ((24, full), (23, binary)):
        monkeypatch.setattr("skal_deep.functional._design._MAX_N_WEIGHTS", most)
        np.testing.assert_array_equal(query(Bait())[1], expected)
    for strategy in (Bait(binary=False), Bait(n_top=2)):
        with pytest.raises(ValueError, match=r"24 free weights.*Use the binary form"):
            query(strategy)
