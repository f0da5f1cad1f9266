"""Randomness stays inside a block."""

import random

import numpy as np
import pytest
import torch

from skal_deep.modules import isolated_rng


def draw():
    return random.random(), np.random.rand(), float(torch.rand(1))


def test_generators_are_put_back_also_after_an_exception():
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    with pytest.raises(RuntimeError, match="stop"), isolated_rng(0):
        draw()
        raise RuntimeError("stop")
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


def test_seeds_decide_what_is_drawn_inside():
    results = []
    for seed in (3, 3, 4):
        with isolated_rng(seed):
            results.append(draw())
    assert results[0] == results[1] != results[2]
