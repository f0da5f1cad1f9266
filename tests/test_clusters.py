"""Ray, and a real Slurm through dask: the same tasks, where these are installed."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pytest
from shard_queries import QUERIES, X, ask, write_shards
from shard_tasks import SlowModel, most_threads, slow_process
from sklearn.linear_model import LogisticRegression
from slurm import queue, wait_until

from skal_deep.evaluation import compare_strategies
from skal_deep.evaluation._metrics import MEASURED
from skal_deep.pool import Badge, CoreSet, MarginSampling, MaxHerding, Power
from skal_deep.shards import query_shards
from skal_deep.shards._files import Shards
from skal_deep.shards._tasks import map_parts

pytestmark = pytest.mark.nightly

ROOT = Path(__file__).parent.parent
# Workers import the functions that they are to call from here.
PYTHONPATH = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
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


def compare(run_dir=None):
    """Return all that a comparison tells, but for times and memory."""
    comparison = compare_strategies(
        {"margin": MarginSampling(), "core-set": CoreSet()},
        LogisticRegression(),
        X,
        Y,
        n_initial=6,
        batch_size=3,
        n_cycles=2,
        n_repeats=2,
        run_dir=run_dir,
        progress=False,
        random_state=0,
    )
    curves = [
        {key: value for key, value in row.items() if key not in MEASURED}
        for row in comparison.curves
    ]
    return curves, comparison.picks


@pytest.mark.filterwarnings("ignore")  # of ray itself
def test_ray_finds_the_picks_and_curves_of_one_process(monkeypatch, tmp_path):
    files = write_shards(tmp_path, 3)
    # one of each kind: workers import torch anew for each round of tasks
    kinds = [QUERIES[number] for number in (1, 2, 4, 6, 7)]
    expected = ask(files, kinds), compare()
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with two_ray_workers(monkeypatch):
        assert map_parts(most_threads, Shards(files).parts(2**27), None) == [1] * 3
        assert (ask(files, kinds), compare()) == expected


@pytest.fixture
def slurm(request, monkeypatch, tmp_path):
    """A Slurm of one node, or as many as told, whose jobs find what tests import."""
    pytest.importorskip("dask_jobqueue")
    from dask import config

    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    settings = {
        "jobqueue.slurm.interface": "lo",
        "jobqueue.slurm.log-directory": str(tmp_path / "logs"),
    }
    n_nodes = getattr(request, "param", 1)
    with queue(monkeypatch, n_nodes) as slurm, config.set(settings):
        yield slurm


@pytest.fixture
def two_jobs(slurm):
    """A client of two workers, each a job of Slurm."""
    from dask_jobqueue import SLURMCluster
    from distributed import Client

    with (
        SLURMCluster(cores=1, memory="1GB", walltime="00:10:00") as cluster,
        Client(cluster) as client,
    ):
        cluster.scale(jobs=2)
        client.wait_for_workers(2)
        assert len(slurm.jobs("RUNNING")) == 2
        with joblib.parallel_config(backend="dask"):
            yield client


@pytest.mark.parametrize("slurm", [1, 2], indirect=True, ids="{} nodes".format)
def test_slurm_finds_the_picks_and_curves_of_one_process(slurm, two_jobs, tmp_path):
    assert len(set(slurm.nodes())) == slurm.n_nodes
    files = write_shards(tmp_path)
    pids = map_parts(slow_process, Shards(files).parts(300), None)
    assert set(pids) == set(two_jobs.run(os.getpid).values())
    on_slurm = ask(files), compare(tmp_path / "run")
    with joblib.parallel_config(backend="sequential"):
        assert (ask(files), compare()) == on_slurm


@pytest.mark.parametrize(
    "strategy",
    [
        MarginSampling(selection=Power(), random_state=0),
        CoreSet(random_state=0),
        MaxHerding(random_state=0),
        Badge(random_state=0),
    ],
    ids=repr,
)
@pytest.mark.parametrize("slurm", [1, 2], indirect=True, ids="{} nodes".format)
def test_a_cancelled_job_loses_nothing(slurm, two_jobs, tmp_path, strategy):
    """Its parts go to the other job, and what it has found is found again."""
    files = write_shards(tmp_path)
    asked = tmp_path / "asked"
    asked.mkdir()
    query = strategy, SlowModel(LogisticRegression(), asked).fit(X, Y)
    killed = []

    def n_asked():
        return len(list(asked.iterdir()))

    def kill_one():
        while n_asked() < 10:
            time.sleep(0.01)
        job, _ = slurm.jobs("RUNNING")
        slurm.kill(job)
        killed.append(n_asked())

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    found = ask(files, [query], part_bytes=600)
    killer.join(10)
    assert n_asked() > killed[0] + 10  # it was in the middle
    slurm.wait_for(1, "RUNNING")
    with joblib.parallel_config(backend="sequential"):
        assert ask(files, [query], part_bytes=600) == found


def test_the_example_of_the_page_is_what_runs(slurm, tmp_path, monkeypatch):
    """Its jobs have ended when it has."""
    text = (ROOT / "docs/scale.md").read_text()
    (block,) = re.findall(r"```py\n([^`]*SLURMCluster\([^`]*)```", text)
    (tmp_path / "pool").mkdir()
    files = write_shards(tmp_path / "pool")
    names = {}
    exec(block.replace("/shared", str(tmp_path)), names)
    assert names["files"] == files
    alone = query_shards(CoreSet(), files, 100, labeled=range(50))
    assert names["picks"].rows.tolist() == alone.rows.tolist()
    assert names["picks"].certificate == alone.certificate
    np.testing.assert_array_equal(names["new"], X[alone.rows])
    slurm.wait_for(0)


def test_threads_of_a_job_are_bounded_whatever_it_sets(slurm, tmp_path):
    from dask_jobqueue import SLURMCluster
    from distributed import Client

    files = write_shards(tmp_path)
    settings = {"job_script_prologue": ["export OMP_NUM_THREADS=2"], "nanny": False}
    with (
        SLURMCluster(cores=1, memory="1GB", **settings) as cluster,
        Client(cluster) as client,
    ):
        cluster.scale(jobs=1)
        client.wait_for_workers(1)
        assert client.submit(most_threads, None).result() == 2
        with joblib.parallel_config(backend="dask"):
            assert map_parts(most_threads, Shards(files).parts(2**27), None) == [1] * 6


def test_jobs_that_never_start_are_told(slurm, tmp_path):
    """All processors are taken; jobs that wait leave the queue with the cluster."""
    from dask_jobqueue import SLURMCluster
    from distributed import Client

    slurm.submit("sleep 600", "--cpus-per-task=2")
    slurm.wait_for(1, "RUNNING")
    files = write_shards(tmp_path)
    with SLURMCluster(cores=1, memory="1GB") as cluster, Client(cluster):
        cluster.scale(jobs=2)
        slurm.wait_for(2, "PENDING")
        with (
            joblib.parallel_config(backend="dask", wait_for_workers_timeout=1),
            pytest.raises(TimeoutError, match="has no worker after 1 seconds"),
        ):
            query_shards(CoreSet(), files, 3, labeled=[0])
    slurm.wait_for(0, "PENDING")


_DATA = """
from shard_queries import X
from sklearn.linear_model import LogisticRegression
from skal_deep.pool import CoreSet, MarginSampling

strategies, clf = [MarginSampling(), CoreSet()], LogisticRegression()
X, y = X[:200], (X[:200, 0] > 0).astype(int)
"""


def test_an_array_of_the_page_goes_on_where_a_task_was_queued_again(slurm, tmp_path):
    text = (ROOT / "docs/scale.md").read_text()
    (block,) = re.findall(r"```py\n(import sys[^`]*)```", text)
    (options,) = re.findall(r"^sbatch (.*) --wrap 'python study.py", text, re.M)
    run, study = tmp_path / "run", tmp_path / "study.py"
    block = block.replace("/shared", str(tmp_path)).replace("else 30", "else 2")
    study.write_text(_DATA + block.replace("report", str(tmp_path / "report")))
    command = f"{sys.executable} -W ignore {study}"
    options = options.replace("0-29", "0-1").split()
    slurm.submit(f"{command} $SLURM_ARRAY_TASK_ID", *options)

    def lines():
        return sorted(
            line
            for file in run.glob("*/*.jsonl")
            for line in file.read_bytes().splitlines()
        )

    wait_until(lambda: len(lines()) > 3, "some rounds")
    first, before = slurm.jobs("RUNNING")[0], lines()
    slurm.queue_again(first)
    slurm.wait_for(0)
    played = lines()
    assert len(before) < len(played)
    assert set(before[:-1]) <= set(played)
    subprocess.run(command.split(), check=True)  # nothing is played, all is read
    assert lines() == played
    assert (tmp_path / "report.html").exists()


_DRIVER = """
import sys
from pathlib import Path
import joblib
from dask import config
from dask_jobqueue import SLURMCluster
from distributed import Client
from shard_queries import X, Y, write_shards
from shard_tasks import SlowModel
from sklearn.linear_model import LogisticRegression
from skal_deep.pool import Badge
from skal_deep.shards import query_shards

asked = Path(sys.argv[1])
files = write_shards(asked.parent)
model = SlowModel(LogisticRegression(), asked).fit(X[:60], Y)
config.set({"jobqueue.slurm.interface": "lo"})
with SLURMCluster(cores=1, memory="1GB") as cluster, Client(cluster) as client:
    cluster.scale(jobs=3)
    client.wait_for_workers(2)
    with joblib.parallel_config(backend="dask"):
        query_shards(Badge(), files, 9, clf=model, part_bytes=200)
"""


def test_ctrl_c_leaves_no_jobs(slurm, tmp_path):
    """Neither those that run nor the one that waits."""
    asked = tmp_path / "asked"
    asked.mkdir()
    command = [sys.executable, "-W", "ignore", "-c", _DRIVER, asked]
    driver = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    wait_until(lambda: len(list(asked.iterdir())) > 5, "a query")
    slurm.wait_for(1, "PENDING")
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=60)
    assert len(list(asked.iterdir())) < 300, errors
    slurm.wait_for(0)
