"""Processes that query shards: equal picks, and a killed one loses nothing."""

import os
import signal
import threading
import time

import joblib
import numpy as np
import pytest
import torch
from clusters import dask_workers
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool
from shard_queries import ask, write_shards
from shard_tasks import (
    die_always,
    die_once,
    more_threads,
    most_threads,
    peak_of_query,
    slow_process,
    slow_sum,
    threads_of_polars,
    use,
)

from skal_deep.pool import CoreSet
from skal_deep.shards._files import Shards
from skal_deep.shards._tasks import map_parts

pytestmark = pytest.mark.slow


@pytest.fixture
def shards(tmp_path):
    return write_shards(tmp_path)


@pytest.mark.nightly
def test_processes_and_dask_find_the_same(shards):
    expected = ask(shards)
    assert ask(shards, n_jobs=2) == expected
    with dask_workers(), joblib.parallel_config(backend="dask"):
        assert ask(shards) == expected


def test_a_cluster_of_one_worker_has_all_tasks(shards):
    """joblib itself would play them here, and give those who come later nothing."""
    with dask_workers(1) as client, joblib.parallel_config(backend="dask"):
        client.cluster.scale(2)
        found = set(map_parts(slow_process, Shards(shards).parts(100), None))
        assert found == set(client.run(os.getpid).values())
        assert len(found) == 2
        assert os.getpid() not in found


def test_a_task_has_objects_of_its_own(shards):
    """A net that one task uses, and so cannot be pickled, may be asked for."""
    with dask_workers(1), joblib.parallel_config(backend="dask"):
        assert map_parts(use, Shards(shards).parts(2**27), None, []) == [0] * 6


def test_a_worker_has_one_thread_of_every_kind(shards):
    """Whatever its environment says, and also if multiprocessing did not start it."""
    parts = Shards(shards).parts(2**27)
    with dask_workers() as client, joblib.parallel_config(backend="dask"):
        for worker in client.scheduler_info()["workers"]:
            client.submit(more_threads, 3, workers=worker, pure=False).result()
        assert map_parts(most_threads, parts, None) == [1] * 6
        assert client.submit(most_threads, None).result() == 3  # as it was before
    torch.set_num_threads(3)
    try:
        assert map_parts(most_threads, parts, None) == [3] * 6  # as the caller says
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("told", [None, pytest.param("3", marks=pytest.mark.nightly)])
def test_polars_has_one_thread_in_a_task_or_as_many_as_told(shards, told, monkeypatch):
    pytest.importorskip("polars")
    parts = Shards(shards).parts(2**27)
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    if told:
        monkeypatch.setenv("POLARS_MAX_THREADS", told)
    get_reusable_executor().shutdown()  # whose processes have imported it before
    assert map_parts(threads_of_polars, parts, 2) == [int(told or 1)] * 6
    assert os.environ.get("POLARS_MAX_THREADS") == told


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
@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_killed_dask_worker_loses_nothing(shards, tmp_path, n_workers):
    """Not the arrays that it was sent for all tasks either, if it had them alone."""
    parts, shared = Shards(shards).parts(300 * n_workers), np.ones(200_000)
    # one that is started again cannot fork, as its nanny has threads
    with dask_workers(n_workers, method="spawn") as client:
        pids = list(client.run(os.getpid).values())

        def kill_one():
            while len(list(tmp_path.glob("*.started"))) < 5:
                time.sleep(0.01)
            os.kill(pids[0], signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        with joblib.parallel_config(backend="dask"):
            found = map_parts(slow_sum, parts, None, tmp_path, shared)
        killer.join()
    assert found == [float(part.read().sum() + np.sum(shared)) for part in parts]


@pytest.mark.parametrize("labeled", [[], pytest.param([0], marks=pytest.mark.nightly)])
def test_a_process_holds_little_more_than_its_part(tmp_path, labeled):
    """Of 120 MB no more than a few parts of 4 MB each are held at once."""
    files = [tmp_path / f"{number}.npy" for number in range(4)]
    for number, file in enumerate(files):
        rows = np.random.default_rng(number).random((120_000, 64), dtype=np.float32)
        np.save(file, rows)
    task = joblib.delayed(peak_of_query)(CoreSet(), files, 2**22, labeled)
    (grown,) = joblib.Parallel(n_jobs=2)([task])
    assert grown < 48 * 2**20
