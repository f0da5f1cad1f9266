"""Small data and nets for the classifiers."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from support import MAKERS, make_net

# They differ from the others in the source of their draws alone.
_SLOW = ("snapshots", "heads", "swag")


@pytest.fixture(
    params=[
        pytest.param(kind, marks=pytest.mark.slow if kind in _SLOW else ())
        for kind in MAKERS
    ]
)
def make(request):
    """Make each of the classifiers over a small net."""

    def build(net=None, classes=(0, 1, 2), random_state=0, **params):
        net = make_net() if net is None else net
        return MAKERS[request.param](
            net, classes=classes, random_state=random_state, **params
        )

    build.kind = request.param
    return build


@pytest.fixture
def blobs():
    """Sixty points in three clusters, and labels."""
    X, y = make_blobs(60, centers=3, random_state=0)
    return X.astype(np.float32), y


@pytest.fixture
def partly(blobs):
    """The blobs with 12 labels, -1 elsewhere."""
    X, y = blobs
    return X, np.where(np.arange(len(y)) < 12, y, -1)
