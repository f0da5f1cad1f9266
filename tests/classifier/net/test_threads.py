"""Questions to one net from several threads at a time."""

import sys
import threading

import numpy as np
import pytest
import torch
from support import MAKERS, make_net

from skal_deep.classifier import as_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 4)).astype(np.float32)
Y = np.arange(20) % 3


@pytest.fixture
def often():
    """Let threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def side_by_side(*works):
    """Run functions in threads, and return what they raised."""
    errors = []

    def run(work):
        try:
            work()
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dropout", "swag"])
def test_slopes_do_not_hang_on_draws_that_are_made_meanwhile(often, kind):
    model = as_model(MAKERS[kind](make_net(), random_state=0).fit(X, Y))
    expected, done, found = model.jacobian(X, 1000, 0), threading.Event(), []

    def draw():
        while not done.is_set():
            model.sample_proba(X, 10, 0)

    def ask():
        try:
            found.extend(model.jacobian(X, 1000, 0) for _ in range(60))
        finally:
            done.set()

    assert side_by_side(draw, ask) == []
    assert len(found) == 60
    assert all(torch.equal(slopes, expected) for slopes in found)


@pytest.mark.slow
def test_heads_are_found_from_several_threads(often):
    model = as_model(MAKERS["deep"](make_net(), random_state=0).fit(X, Y))
    expected, found = model.linear_head(X), []

    def ask():
        found.extend(model.linear_head(X) for _ in range(40))

    assert side_by_side(ask, ask, ask) == []
    assert len(found) == 120
    for weight, bias in found:
        assert torch.equal(weight, expected[0])
        assert torch.equal(bias, expected[1])
