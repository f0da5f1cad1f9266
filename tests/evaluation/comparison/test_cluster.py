"""A comparison on a cluster: equal results, and a killed worker loses nothing."""

import os
import signal
import threading
import time

import joblib
import numpy as np
import pytest
from clusters import dask_workers
from sklearn.datasets import load_iris
from support import MAKERS, make_net

from skal_deep.evaluation import compare_strategies
from skal_deep.evaluation._metrics import MEASURED
from skal_deep.pool import BALD, CoreSet

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)


def compare(run_dir=None, n_cycles=2, scoring=None):
    return compare_strategies(
        [BALD(), CoreSet()],
        MAKERS["dropout"](make_net(max_epochs=2)),
        X,
        y,
        n_repeats=2,
        n_cycles=n_cycles,
        batch_size=5,
        run_dir=run_dir,
        scoring=scoring,
        progress=False,
        random_state=0,
    )


def results(comparison):
    """Everything but times and memory."""
    curves = [
        {key: value for key, value in row.items() if key not in MEASURED}
        for row in comparison.curves
    ]
    return curves, comparison.picks


@pytest.fixture(scope="module")
def client():
    """Two workers, each a process of its own."""
    with dask_workers() as client:
        yield client


@pytest.mark.slow
def test_results_are_equal_bit_by_bit(client):
    with joblib.parallel_config(backend="dask"):
        on_cluster = compare()
    assert results(on_cluster) == results(compare())


def process_of(estimator, X, y):
    return os.getpid()


@pytest.mark.slow
def test_a_cluster_of_one_worker_has_all_jobs():
    """joblib itself would play them here, and give those who come later nothing."""
    with dask_workers(1) as client, joblib.parallel_config(backend="dask"):
        played = compare(scoring={"process": process_of}, n_cycles=1)
        (pid,) = client.run(os.getpid).values()
    assert {row["process"] for row in played.curves} == {pid}


@pytest.mark.nightly
def test_a_killed_worker_loses_nothing(client, tmp_path):
    def rounds():
        files = tmp_path.glob("*/*.jsonl")
        return b"".join(file.read_bytes() for file in files).count(b"\n")

    def kill_one():
        while rounds() < 3:
            time.sleep(0.01)
        workers = list(client.scheduler_info()["workers"])
        pids = client.run(os.getpid, workers=workers[:1])
        before.append(rounds())
        os.kill(pids[workers[0]], signal.SIGKILL)

    before = []
    killer = threading.Thread(target=kill_one)
    killer.start()
    with joblib.parallel_config(backend="dask"):
        on_cluster = compare(tmp_path, n_cycles=8)
    killer.join()
    assert 3 <= before[0] < 6 * 9
    assert rounds() == 6 * 9  # none was lost, none was played twice
    assert results(on_cluster) == results(compare(n_cycles=8))
