"""A cluster of dask on this computer."""

import sys
from contextlib import contextmanager

import pytest


@contextmanager
def dask_workers(n_workers=2, method="fork"):
    """Yield a client of some workers, each a process of its own.

    Where a process may fork, workers need not import torch, which takes longer than
    what they are asked for.
    """
    distributed = pytest.importorskip("distributed")
    from dask import config

    method = method if sys.platform == "linux" else "spawn"
    with (
        config.set({"distributed.worker.multiprocessing-method": method}),
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
