"""Changed views of rows."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from skal_deep.modules import MaskNoise
from skal_deep.modules._views import changed_rows

X = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)


def test_a_view_of_a_row_is_its_own():
    state, augment = torch.get_rng_state(), MaskNoise(0.5)
    views = changed_rows(X, augment, 3)
    assert torch.equal(state, torch.get_rng_state())
    assert 0.3 < (views == 0).mean() < 0.7
    assert ((views == 0) | (views == X)).all()
    order = np.random.default_rng(1).permutation(30)
    np.testing.assert_array_equal(changed_rows(X[order], augment, 3), views[order])
    np.testing.assert_array_equal(changed_rows(X[7:8], augment, 3), views[7:8])
    assert (changed_rows(X, augment, 4) != views).any()


# As changes of images do that are not torch's own.
DRAWS = {
    "torch": lambda x: x + torch.rand(x.shape),
    "numpy": lambda x: x + np.random.random(),
    "python": lambda x: x + random.random(),
}


@pytest.mark.parametrize("augment", DRAWS.values(), ids=DRAWS)
def test_whatever_a_change_draws_from_a_view_is_its_own(augment):
    states = torch.get_rng_state(), random.getstate()
    numpy_state = np.random.get_state()[1].copy()
    views = changed_rows(X, augment, 3)
    np.testing.assert_array_equal(changed_rows(X[::-1], augment, 3), views[::-1])
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])


@pytest.mark.slow
def test_threads_do_not_disturb_views():
    views = [changed_rows(X, MaskNoise(0.5), seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda seed: changed_rows(X, MaskNoise(0.5), seed), range(8))
        np.testing.assert_array_equal(list(found), views)


def test_shapes_must_stay():
    with pytest.raises(ValueError, match="It must keep the shape"):
        changed_rows(X, lambda x: x[0], 0)


def test_only_numbers_with_fractions_are_masked():
    with pytest.raises(TypeError, match="floating-point numbers"):
        MaskNoise()(torch.arange(3))
