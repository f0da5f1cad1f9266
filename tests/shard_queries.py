"""A query over shards of every kind, to be asked wherever tasks run."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from support import MAKERS, make_net

from skal_deep.pool import (
    BALD,
    EPIG,
    Badge,
    CoreSet,
    MarginSampling,
    MaxHerding,
    Power,
    Softmax,
)
from skal_deep.shards import query_shards

X = np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32)
LABELED = range(60)
Y = (X[:60, 0] > 0).astype(int)
CLF = LogisticRegression().fit(X[:60], Y)
NET = MAKERS["dropout"](make_net(max_epochs=2)).fit(X[:60], Y)
QUERIES = [
    (MarginSampling(random_state=0), CLF),
    (MarginSampling(selection=Power(), random_state=0), CLF),
    (BALD(selection=Softmax(), random_state=0), NET),
    (EPIG(X_target=X[:9], random_state=0), NET),
    (CoreSet(random_state=0), None),
    (CoreSet(random_state=0), NET),
    (MaxHerding(random_state=0), None),
    (Badge(random_state=0), CLF),
    (Badge(random_state=0), NET),
]


def write_shards(folder, n_shards=6):
    """Write X to files of equal size, and return their paths."""
    files = [folder / f"{number}.npy" for number in range(n_shards)]
    for file, rows in zip(files, np.split(X, n_shards), strict=True):
        np.save(file, rows)
    return files


def ask(shards, queries=QUERIES, **options):
    """Return picks, utilities and certificate of each query, to be compared."""
    found = [
        query_shards(strategy, shards, 9, clf=clf, labeled=LABELED, **options)
        for strategy, clf in queries
    ]
    return [(p.rows.tolist(), p.utilities.tolist(), p.certificate) for p in found]
