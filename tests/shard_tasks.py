"""Tasks of tests that run in other processes, which import them by name."""

import multiprocessing
import os
import resource
import signal
import time
import uuid
from pathlib import Path

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from threadpoolctl import threadpool_info, threadpool_limits

from skal_deep.shards import query_shards


def die_once(part, folder):
    """Leave a line for each start; the first task of shard 2 kills its process."""
    with (Path(folder) / Path(part.source).stem).open("a") as file:
        file.write("x")
    if Path(part.source).stem == "2" and not (Path(folder) / "died").exists():
        (Path(folder) / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return float(part.read().sum())


def die_always(part):
    os.kill(os.getpid(), signal.SIGKILL)


def slow_process(part):
    time.sleep(0.02)
    return os.getpid()


def use(part, shared):
    """Return how often an object was used before."""
    shared.append(part.offset)
    return len(shared) - 1


def most_threads(part):
    """Return the largest number of threads of torch, BLAS and OpenMP."""
    pools = [pool["num_threads"] for pool in threadpool_info()]
    return max(torch.get_num_threads(), *pools)


def threads_of_polars(_):
    import polars

    return polars.thread_pool_size()


def more_threads(n_threads):
    """Do to a process what multiprocessing and its variables prevent."""
    multiprocessing.process._parent_process = None
    torch.set_num_threads(n_threads)
    threadpool_limits(n_threads)


def slow_sum(part, folder, shared=0.0):
    (Path(folder) / f"{part.offset}.started").touch()
    time.sleep(0.2)
    return float(part.read().sum() + np.sum(shared))


class SlowModel(ClassifierMixin, BaseEstimator):
    """Takes a while, and leaves a file in its folder, each time it is asked."""

    def __init__(self, clf, folder):
        self.clf, self.folder = clf, folder

    def fit(self, X, y):
        self.clf.fit(X, y)
        self.classes_ = self.clf.classes_
        return self

    def predict_proba(self, X):
        self._wait()
        return self.clf.predict_proba(X)

    def embed(self, X):
        self._wait()
        return X

    def _wait(self):
        (Path(self.folder) / uuid.uuid4().hex).touch()
        time.sleep(0.02)


def peak_of_query(strategy, files, part_bytes):
    """Return by how many bytes a query raises the peak of a process."""
    query_shards(strategy, [np.eye(64)], 3, labeled=[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    query_shards(strategy, files, 20, labeled=[0], part_bytes=part_bytes)
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
