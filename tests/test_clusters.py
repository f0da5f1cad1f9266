"""Ray, and Slurm through dask: the same tasks, where these libraries are installed."""

from contextlib import contextmanager

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skal_deep.evaluation import compare_strategies
from skal_deep.pool import CoreSet, MarginSampling, Power
from skal_deep.shards import query_shards

pytestmark = pytest.mark.nightly

X = np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


@contextmanager
def two_ray_workers(monkeypatch):
    """Run joblib's tasks on ray, in two processes of this computer."""
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # it would write a token
    ray.init(num_cpus=2, object_store_memory=200 * 2**20, include_dashboard=False)
    try:
        register_ray()
        with joblib.parallel_config(backend="ray", n_jobs=2):
            yield
    finally:
        ray.shutdown()


@pytest.mark.filterwarnings("ignore")  # of ray itself
def test_ray_finds_the_picks_and_curves_of_one_process(monkeypatch, tmp_path):
    files = [tmp_path / f"{number}.npy" for number in range(3)]
    for file, rows in zip(files, np.split(X, 3), strict=True):
        np.save(file, rows)
    clf = LogisticRegression().fit(X[:60], Y[:60])
    strategy = MarginSampling(selection=Power(), random_state=0)

    def play():
        picks = query_shards(strategy, files, 9, clf=clf, labeled=range(60))
        comparison = compare_strategies(
            {"margin": MarginSampling(), "core-set": CoreSet()},
            LogisticRegression(),
            X,
            Y,
            n_initial=6,
            batch_size=3,
            n_cycles=2,
            n_repeats=2,
            progress=False,
            random_state=0,
        )
        measured = "seconds", "peak"
        curves = [
            {k: v for k, v in row.items() if not k.startswith(measured)}
            for row in comparison.curves
        ]
        return picks.rows.tolist(), picks.utilities.tolist(), curves

    expected = play()
    with two_ray_workers(monkeypatch):
        assert play() == expected


@pytest.mark.filterwarnings("ignore")  # a dashboard's port may be taken
def test_slurm_is_asked_for_workers_of_one_thread():
    dask_jobqueue = pytest.importorskip("dask_jobqueue")
    settings = {"dashboard_address": None}
    with dask_jobqueue.SLURMCluster(
        cores=1, memory="4GB", walltime="04:00:00", scheduler_options=settings
    ) as cluster:
        script = cluster.job_script()
    assert "#SBATCH --cpus-per-task=1\n" in script
    assert "#SBATCH -t 04:00:00\n" in script
    assert "--nthreads 1 " in script
