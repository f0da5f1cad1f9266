"""On a GPU everything gives what it gives on the processor, up to round-off."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from support import make_net

from skal_deep import functional
from skal_deep.classifier import DeepEnsembleClassifier, MCDropoutClassifier
from skal_deep.pool import BALD, Badge, Bait, BatchBALD, CoreSet, TypiClust

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]


def normal(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def source():
    return torch.Generator().manual_seed(0)


POINTS, KNOWN, PROBA = normal(60, 4), normal(7, 4), (3 * normal(60, 3)).softmax(-1)
SAMPLES, SCORES = (2 * normal(12, 60, 3)).softmax(-1), normal(60).abs()
KERNELS = {
    "badge": lambda to: functional.badge(to(PROBA), to(POINTS), 6, generator=source()),
    "bait": lambda to: functional.bait(
        to(PROBA), to(POINTS), to(PROBA[:5]), to(POINTS[:5]), 6
    ),
    "bald": lambda to: functional.bald(to(SAMPLES)),
    "batch_bald": lambda to: functional.batch_bald(
        to(SAMPLES), 6, n_configurations=50, generator=source()
    ),
    "batch_bald without utilities": lambda to: functional.batch_bald(
        to(SAMPLES), 6, n_configurations=200, generator=source(), with_utilities=False
    ),
    "epig": lambda to: functional.epig(to(SAMPLES), to(SAMPLES[:, :9])),
    "second_order_epig": lambda to: functional.second_order_epig(
        to(SAMPLES), to(SAMPLES[:, :9])
    ),
    "k_center_greedy": lambda to: functional.k_center_greedy(to(POINTS), to(KNOWN), 6),
    "lcmd": lambda to: functional.lcmd(to(POINTS), to(KNOWN), 6),
    "max_det": lambda to: functional.max_det(to(POINTS), to(KNOWN), 6, noise=0.1),
    "max_herding": lambda to: functional.max_herding(
        to(POINTS), to(POINTS), to(KNOWN), 6
    ),
    "power_sample": lambda to: functional.power_sample(
        to(SCORES), 6, coldness=1.0, generator=source()
    ),
    "prob_cover": lambda to: functional.prob_cover(
        to(POINTS), to(POINTS), to(KNOWN), 6, radius=1.0
    ),
}


def on(device):
    return lambda tensor: tensor.to(device)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels(name):
    here, there = KERNELS[name](on("cpu")), KERNELS[name](on("cuda"))
    for expected, result in zip(*map(parts, (here, there)), strict=True):
        assert result.device.type == "cuda"
        torch.testing.assert_close(result.cpu(), expected, rtol=1e-4, atol=1e-5)


def parts(answer):
    return answer if isinstance(answer, tuple) else (answer,)


@pytest.mark.parametrize("kind", [MCDropoutClassifier, DeepEnsembleClassifier])
@pytest.mark.parametrize("strategy", [BALD, Badge, Bait, BatchBALD, CoreSet, TypiClust])
def test_queries(kind, strategy):
    X, y = make_blobs(80, 4, centers=3, random_state=0)
    X = X.astype(np.float32)
    y_known = np.where(np.arange(len(y)) < 20, y, -1)
    clf = kind(make_net(device="cuda", max_epochs=3), random_state=0)
    query = strategy(random_state=0).query
    picks, utilities = query(X, y_known, clf, batch_size=4, return_utilities=True)
    assert len(set(picks)) == 4
    assert not np.isin(picks, np.arange(20)).any()
    assert np.isfinite(utilities[0, picks]).all()
    assert query(X, y_known, clf, batch_size=4).tolist() == picks.tolist()
