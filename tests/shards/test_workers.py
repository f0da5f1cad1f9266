"""Processes that query shards: equal picks, and a killed one loses nothing."""

import os
import signal
import threading
import time

import joblib
import numpy as np
import pytest
from clusters import two_workers
from joblib.externals.loky.process_executor import BrokenProcessPool
from shard_tasks import die_always, die_once, peak_of_query, slow_sum
from sklearn.linear_model import LogisticRegression

from skal_deep.pool import Badge, CoreSet, MarginSampling, MaxHerding, Power
from skal_deep.shards import query_shards
from skal_deep.shards._files import Shards
from skal_deep.shards._tasks import map_parts

pytestmark = pytest.mark.slow

X = np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32)
CLF = LogisticRegression().fit(X[:60], X[:60, 0] > 0)
QUERIES = [
    (MarginSampling(random_state=0), CLF),
    (MarginSampling(selection=Power(), random_state=0), CLF),
    (CoreSet(random_state=0), None),
    (MaxHerding(random_state=0), None),
    (Badge(random_state=0), CLF),
]


@pytest.fixture
def shards(tmp_path):
    files = [tmp_path / f"{number}.npy" for number in range(6)]
    for file, rows in zip(files, np.split(X, 6), strict=True):
        np.save(file, rows)
    return files


def picks(shards, n_jobs=None):
    found = [
        query_shards(strategy, shards, 9, clf=clf, labeled=range(60), n_jobs=n_jobs)
        for strategy, clf in QUERIES
    ]
    return [(p.rows.tolist(), p.utilities.tolist(), p.certificate) for p in found]


def test_processes_and_dask_find_the_same(shards):
    expected = picks(shards)
    assert picks(shards, n_jobs=2) == expected
    with two_workers(), joblib.parallel_config(backend="dask"):
        assert picks(shards) == expected


def test_tasks_of_a_killed_process_are_started_again(shards, tmp_path):
    parts = Shards(shards).parts(2**27)
    with pytest.warns(RuntimeWarning, match="was killed, perhaps for its memory: . of"):
        found = map_parts(die_once, parts, 2, tmp_path)
    assert found == [float(part.read().sum()) for part in parts]


@pytest.mark.nightly
def test_what_dies_again_and_again_is_an_error(shards):
    with (
        pytest.warns(RuntimeWarning, match="6 of 6 parts are started again"),
        pytest.raises(BrokenProcessPool),
    ):
        map_parts(die_always, Shards(shards).parts(2**27), 2)


@pytest.mark.nightly
def test_a_killed_dask_worker_loses_nothing(shards, tmp_path):
    parts = Shards(shards).parts(300)
    with two_workers() as client:
        pids = list(client.run(os.getpid).values())

        def kill_one():
            while len(list(tmp_path.glob("*.started"))) < 5:
                time.sleep(0.01)
            os.kill(pids[0], signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        with joblib.parallel_config(backend="dask"):
            found = map_parts(slow_sum, parts, None, tmp_path)
        killer.join()
    assert found == [float(part.read().sum()) for part in parts]


def test_a_process_holds_little_more_than_its_part(tmp_path):
    """Of 120 MB no more than a few parts of 4 MB each are held at once."""
    files = [tmp_path / f"{number}.npy" for number in range(4)]
    for number, file in enumerate(files):
        rows = np.random.default_rng(number).random((120_000, 64), dtype=np.float32)
        np.save(file, rows)
    task = joblib.delayed(peak_of_query)(CoreSet(), files, 2**22)
    (grown,) = joblib.Parallel(n_jobs=2)([task])
    assert grown < 48 * 2**20
