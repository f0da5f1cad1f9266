"""Dropout that no layer shows is found, and nothing is left behind."""

import random
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skal_deep.modules._hidden import RandomSite, parts_that_may_hide, random_pass


class Dropping(nn.Module):
    """Calls something random beside a dropout layer."""

    def __init__(self, drop):
        super().__init__()
        self.layer, self.drop = nn.Dropout(0.5), drop

    def forward(self, x):
        return self.drop(self, self.layer(x))


def numpy_noise(self, x):
    return x * torch.as_tensor(np.random.rand(3) > 0.5) if self.training else x


def python_noise(self, x):
    return x * random.random() if self.training else x


def own_generator(self, x):
    own = torch.Generator().manual_seed(0)
    return x * torch.rand(x.shape, generator=own) if self.training else x


TRAINING_ONLY = {
    "F.dropout": lambda self, x: F.dropout(x, 0.5, self.training),
    "F.dropout1d": lambda self, x: F.dropout1d(x, 0.5, self.training),
    "F.alpha_dropout": lambda self, x: F.alpha_dropout(x, 0.5, self.training),
    "torch.dropout": lambda self, x: torch.dropout(x, 0.5, self.training),
    "torch.bernoulli": lambda self, x: (
        x * torch.bernoulli(torch.full_like(x, 0.5)) if self.training else x
    ),
    "torch.rand_like": lambda self, x: (
        x * (torch.rand_like(x) > 0.1) if self.training else x
    ),
    "torch.rand": own_generator,
    "random numbers": numpy_noise,
}


def look(module, train=True):
    x = torch.full((2, 3), -1.0)
    parts = parts_that_may_hide(module) if train else ()
    return random_pass(module, lambda: module(x.clone()), parts)[0]


@pytest.mark.parametrize("what", TRAINING_ONLY)
def test_randomness_of_training_is_found_with_its_place(what):
    module = nn.Sequential(nn.Linear(3, 3), Dropping(TRAINING_ONLY[what]))
    assert next(iter(look(module).sites)) == RandomSite("1", what)
    assert not look(module, train=False).sites


def test_numbers_from_python_are_found():
    assert look(Dropping(python_noise)).sites


@pytest.mark.parametrize("n_before", [0, 1])
def test_a_normal_that_numpy_keeps_is_found(n_before):
    """They are made in pairs: the second is drawn without a move of the generator."""
    state = np.random.get_state()
    try:
        np.random.seed(0)
        np.random.normal(size=n_before)
        module = nn.Sequential(
            nn.Linear(3, 3), Dropping(lambda _, x: x + np.random.normal())
        )
        assert look(module).sites
    finally:
        np.random.set_state(state)


def test_another_generator_in_the_place_of_numpys():
    own = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64(0))
    try:
        assert look(Dropping(lambda _, x: x + np.random.rand())).sites
        assert not look(Dropping(lambda _, x: x)).sites
    finally:
        np.random.set_bit_generator(own)


@pytest.mark.parametrize("draw", [random.random, np.random.rand, lambda: torch.rand(1)])
def test_what_another_thread_draws_is_not_the_modules(draw):
    """A worker of dask draws from Python's generator in its event loop, say."""
    n_passes = []

    def beside(self, x):
        n_passes.append(None)
        if len(n_passes) in (1, 2):  # by chance, during some passes
            thread = threading.Thread(target=draw)
            thread.start()
            thread.join()
        return x

    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        assert not look(Dropping(beside)).sites
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
    assert len(n_passes) == 3


def test_randomness_of_predictions_is_found():
    module = Dropping(lambda self, x: F.dropout(x, 0.5, True))
    assert list(look(module, train=False).sites) == [RandomSite("", "F.dropout")]
    assert not look(Dropping(lambda self, x: F.dropout(x, 0.0, True))).sites
    assert not look(Dropping(lambda self, x: x)).sites


def attend(self, x):
    heads = x[:, None, :, None]
    p = 0.5 if self.training else 0.0
    return F.scaled_dot_product_attention(heads, heads, heads, dropout_p=p)[:, 0, :, 0]


def attend_by_hand(self, x):
    weights = (x[:, None, :, None] @ x[:, None, None]).softmax(-1)
    weights = F.dropout(weights, 0.5, self.training)
    return (weights @ x[:, None, :, None])[:, 0, :, 0]


@pytest.mark.parametrize("drop", [attend, attend_by_hand])
def test_attention_is_told_from_other_dropout(drop):
    (site,) = look(Dropping(drop)).sites
    assert site.of_attention


def test_flags_hooks_buffers_and_generators_are_as_before():
    class Moving(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)
            self.register_buffer("n", torch.zeros(()))

        def forward(self, x):
            self.n += 1
            if self.training and self.n > 1:
                self.n = torch.tensor(7.0)
                raise RuntimeError("stop")
            return self.drop(self.norm(x))

    module = Moving()
    module.norm.eval()
    flags, n = [part.training for part in module.modules()], module.n
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()
    look(module)
    module.n += 1
    with pytest.raises(RuntimeError, match="stop"):
        look(module)
    assert [part.training for part in module.modules()] == flags
    assert module.n is n
    assert n == 1
    assert module.norm.num_batches_tracked == 0
    assert not any(p._forward_hooks or p._forward_pre_hooks for p in module.modules())
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == np.random.get_state()[1].tolist()
