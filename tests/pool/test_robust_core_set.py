"""RobustCoreSet on embeddings, with outliers, large pools and little time."""

import warnings

import numpy as np
import pytest
import torch

from skal_deep.pool import CoreSet, RobustCoreSet
from skal_deep.testing._strategy_case import Case


@pytest.fixture
def case():
    return Case(RobustCoreSet())


def radius(clf, case, picks):
    embedding = torch.as_tensor(clf.embed(case.X))
    known = np.flatnonzero(case.y != -1)
    return torch.cdist(embedding, embedding[[*known, *picks]]).amin(1).max()


@pytest.mark.slow
def test_the_radius_is_no_larger_than_the_greedy_one(case):
    clf = case.fitted()
    robust, greedy = (
        case.query(strategy, clf=clf, fit_clf=False, batch_size=3)
        for strategy in (RobustCoreSet(random_state=0), CoreSet(random_state=0))
    )
    assert radius(clf, case, robust) <= radius(clf, case, greedy) + 1e-6


def test_outliers_are_left_out():
    X = np.concatenate([np.linspace(0, 1, 30), [90.0]])[:, None]
    y = np.where(np.arange(31) == 0, 0, -1)
    every = RobustCoreSet(random_state=0).query(X, y)
    assert every.tolist() == [30]
    most = RobustCoreSet(outlier_fraction=0.04, random_state=0).query(X, y)
    assert 0.3 < X[most[0], 0] < 0.8


def test_a_warning_says_how_good_the_batch_is_when_time_is_up(case):
    strategy = RobustCoreSet(time_limit=1e-9, random_state=0)
    with pytest.warns(UserWarning, match="its radius is .* no batch has less than"):
        picks = strategy.query(case.X, case.y, batch_size=3)
    np.testing.assert_array_equal(
        picks, CoreSet(random_state=0).query(case.X, case.y, batch_size=3)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RobustCoreSet(random_state=0).query(case.X, case.y, batch_size=3)
