"""Strategies on graphs of neighbours, with shapes that have an answer."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skal_deep import functional
from skal_deep.functional.graphs import diffuse
from skal_deep.pool import DiffusionAL, JointLabelPropagation

RNG = np.random.default_rng(0)
PLACES = np.array([[5.0, 0.0], [0.0, 5.0], [-5.0, -5.0]])
Y = np.repeat([0, 1, 2], 30)
X = (PLACES[Y] + RNG.standard_normal((90, 2))).astype(np.float32)


def partly(*labeled):
    y = np.full(90, -1)
    y[list(labeled)] = Y[list(labeled)]
    return y


@pytest.mark.parametrize(
    "strategy",
    [DiffusionAL(n_neighbors=5), JointLabelPropagation(n_neighbors=5)],
    ids=lambda s: type(s).__name__,
)
def test_a_component_without_label_is_asked_for_first(strategy):
    y = partly(0, 1, 30)
    for candidates in (None, np.flatnonzero(y == -1)[::2]):
        picks = strategy.query(X, y, candidates=candidates)
        assert Y[picks] == [2]


def test_diffusion_scores_are_signals():
    y = partly(0, 30, 60)
    strategy = DiffusionAL(n_neighbors=4, n_steps=3)
    some = np.array([70, 3, 41])
    _, utilities = strategy.query(X, y, candidates=some, return_utilities=True)
    signs = np.zeros((90, 3))
    signs[[0, 30, 60]] = 2 * np.eye(3) - 1
    walk = functional.random_walk(torch.as_tensor(X), 4)
    signals = diffuse(walk, torch.as_tensor(signs), 3).amax(1)
    np.testing.assert_allclose(utilities[0, [70, 41]], -signals[[70, 41]], rtol=1e-5)
    assert signals[3] == 0
    assert utilities[0, 3] == 1, "a row that no label reaches comes first"


def test_propagation_is_the_fixed_point_of_spreading():
    y = partly(0, 1, 30, 60)
    strategy = JointLabelPropagation(n_neighbors=8, alpha=0.9)
    _, utilities = strategy.query(X, y, return_utilities=True)
    graph = functional.cosine_graph(torch.as_tensor(X), 8).toarray()
    source = (y != -1).astype(float)
    reach = source
    for _ in range(500):
        reach = 0.9 * graph @ reach + source
    left = y == -1
    np.testing.assert_allclose(utilities[0, left], -reach[left], rtol=1e-4, atol=1e-6)


def test_batches_are_single_picks_after_each_other():
    strategy = JointLabelPropagation(n_neighbors=8)
    y = partly(0, 30, 60)
    batch = strategy.query(X, y, batch_size=3).tolist()
    one_by_one = []
    for _ in range(3):
        [pick] = strategy.query(X, y)
        one_by_one.append(int(pick))
        y[pick] = Y[pick]
    assert batch == one_by_one


def test_diffusion_says_when_there_is_no_label():
    with pytest.warns(UserWarning, match="DiffusionAL diffuses labels"):
        DiffusionAL().query(X, np.full(90, -1))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("strategy", [DiffusionAL(), JointLabelPropagation()], ids=str)
def test_inputs_stand_for_the_nearest_row(strategy, seed):
    # of one seed rows come in one order, in which products round alike
    strategy, y = clone(strategy).set_params(random_state=seed), partly(0, 30, 60)
    _, rows = strategy.query(X, y, candidates=[44, 47, 49], return_utilities=True)
    near = X[[44, 47, 49]] + np.float32(1e-4)
    _, inputs = strategy.query(X, y, candidates=near, return_utilities=True)
    np.testing.assert_allclose(inputs[0], rows[0, [44, 47, 49]], rtol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3, 4, 6, 9])
def test_diffusion_visits_a_component_without_label(n_classes):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        rows = rng.standard_normal((80, 2))
        rows[60:] += 50
        y = np.full(80, -1)
        y[: 3 * n_classes] = np.arange(3 * n_classes) % n_classes
        [pick] = DiffusionAL(n_neighbors=5, random_state=seed).query(rows, y)
        assert pick >= 60
