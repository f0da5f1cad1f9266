"""Queries from several threads are those of one thread, and move nothing."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from support import make_net

from skal_deep.classifier import DeepEnsembleClassifier, MCDropoutClassifier
from skal_deep.pool import BALD, VAAL, Badge, LeastConfidence, Power

N_THREADS = 3
X = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
Y = np.where(np.arange(40) < 9, np.arange(40) % 3, -1)


def dropout(random_state):
    return MCDropoutClassifier(
        make_net(max_epochs=3), 5, classes=[0, 1, 2], random_state=random_state
    )


@cache  # fitted by the first test, and not while tests are collected
def shared():
    return dropout(0).fit(X, Y)


QUERIES = {
    "VAAL": lambda seed: VAAL(n_iterations=3, random_state=seed).query(X, Y),
    "BALD that fits": lambda seed: BALD(random_state=seed).query(
        X, Y, dropout(seed), batch_size=3
    ),
    "BALD of one classifier": lambda seed: BALD(random_state=seed).query(
        X, Y, shared(), fit_clf=False, batch_size=3
    ),
    "Badge of one classifier": lambda seed: Badge(random_state=seed).query(
        X, Y, shared(), fit_clf=False, batch_size=3
    ),
    "draws of one classifier": lambda seed: shared().sample_proba(X, 4, seed),
    "embeddings of one classifier": lambda seed: shared().embed(X[seed:]),
    "a fit": lambda seed: (
        DeepEnsembleClassifier(make_net(max_epochs=2), 2, random_state=seed)
        .fit(X, Y)
        .predict_proba(X)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", QUERIES)
def test_threads_get_what_one_thread_gets(name):
    query, found = QUERIES[name], {}
    expected = [query(seed) for seed in range(N_THREADS)]
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()

    def work(seed):
        found[seed] = [query(seed) for _ in range(3)]

    threads = [threading.Thread(target=work, args=(at,)) for at in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(N_THREADS):
        for result in found[seed]:
            np.testing.assert_array_equal(result, expected[seed])
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


class TakesTurns(LeastConfidence):
    """Lets other threads in when it has made the generator of a query."""

    @property
    def random_state_(self):
        return self._state

    @random_state_.setter
    def random_state_(self, state):
        self._state = state
        time.sleep(0.02)


@pytest.mark.slow
def test_threads_may_share_a_strategy():
    """Its seed hangs on how many labels are missing, and is that of the call."""
    strategy = TakesTurns(selection=Power(), random_state=0)

    def picks(n_hidden):
        y = np.where(np.arange(40) < n_hidden, -1, Y)
        return strategy.query(X, y, shared(), fit_clf=False, batch_size=5).tolist()

    expected = [picks(n) for n in range(3)]
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(picks, range(3))) == expected


def voting(n_jobs):
    members = [("a", dropout(0)), ("b", dropout(1))]
    return VotingClassifier(members, voting="soft", n_jobs=n_jobs)


def bagging(n_jobs):
    return BaggingClassifier(dropout(0), n_estimators=2, n_jobs=n_jobs, random_state=0)


@pytest.mark.parametrize("is_fitted", [True, False])
@pytest.mark.parametrize("committee", [voting, bagging])
def test_members_that_are_asked_in_threads_do_not_wait_for_the_query(
    committee, is_fitted
):
    def query(n_jobs):
        clf = committee(n_jobs)
        if is_fitted:
            clf.fit(X[:9], Y[:9])
        return LeastConfidence(random_state=0).query(
            X, Y, clf, fit_clf=not is_fitted, batch_size=3
        )

    expected, found = query(n_jobs=None), []

    def in_threads():
        with parallel_config("threading"):
            found.append(query(n_jobs=2))

    # A thread that hangs does not keep the tests from going on.
    thread = threading.Thread(target=in_threads, daemon=True)
    thread.start()
    thread.join(30)
    assert found, "the query and its threads wait for each other"
    np.testing.assert_array_equal(found[0], expected)
