"""Randomness stays inside a block."""

import os
import random
import signal
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from joblib import parallel_config
from joblib.parallel import ThreadingBackend, get_active_backend
from torch.overrides import TorchFunctionMode

from skal_deep._put_back import put_back
from skal_deep.classifier.net._interrupts import replace_methods
from skal_deep.modules import coupled_dropout, eval_mode, isolated_rng
from skal_deep.modules._split_linear import heads_apart, split_linear
from skal_deep.modules._taps import tapped_features
from skal_deep.modules._weights import restored_state


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


def test_an_exception_finds_the_modes_of_torch_as_they_were():
    class Mode(TorchFunctionMode):
        pass

    n_modes = torch._C._len_torch_function_stack()
    with pytest.raises(KeyboardInterrupt), isolated_rng():
        torch.no_grad().__enter__()  # as if Ctrl-C came before its block
        Mode().__enter__()
        raise KeyboardInterrupt
    assert torch.is_grad_enabled()
    assert torch._C._len_torch_function_stack() == n_modes
    with torch.no_grad(), pytest.raises(ValueError, match="stop"), isolated_rng():
        raise ValueError("stop")
    assert torch.is_grad_enabled()


def test_seeds_decide_what_is_drawn_inside():
    results = []
    for seed in (3, 3, 4):
        with isolated_rng(seed):
            results.append(draw())
    assert results[0] == results[1] != results[2]


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1, 2**40])
def test_a_seed_is_that_of_each_generator(seed):
    with isolated_rng():
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        expected = draw()
    with isolated_rng(seed):
        assert draw() == expected


@pytest.mark.skipif(torch.accelerator.is_available(), reason="its generator is seeded")
def test_no_device_that_is_not_there_is_seeded(monkeypatch):
    """Each would keep the call stack, whose files are looked at for changes."""
    monkeypatch.setattr("traceback.format_stack", None)
    with isolated_rng(0):
        draw()


def test_threads_wait_for_one_another():
    results, expected = {}, {}
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()

    def work(seed):
        found = []
        for _ in range(20):
            with isolated_rng(seed), isolated_rng():
                found.append((draw(), time.sleep(0.0005), draw()))
        results[seed] = found

    for seed in range(4):
        with isolated_rng(seed):
            expected[seed] = draw(), None, draw()
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {seed: [expected[seed]] * 20 for seed in range(4)}
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_a_thread_it_does_not_have():
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with isolated_rng(0):
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(60)
    child = os.fork()
    if not child:
        signal.alarm(30)
        with isolated_rng(0):
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    leave.set()
    thread.join()


def test_restoring_is_restored_when_it_is_interrupted():
    calls = []

    def restore():
        calls.append(len(calls))
        if len(calls) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), put_back(restore):
        pass
    assert len(calls) == 2


def test_what_is_restored_is_restored_once():
    calls = []
    with pytest.raises(ValueError, match="stop"), put_back(lambda: calls.append(1)):
        raise ValueError("stop")
    assert len(calls) == 1


def test_a_block_that_ends_late_moves_nothing():
    """Ctrl-C just before the end of a block leaves that to whoever collects it."""
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    with isolated_rng(0):
        late = isolated_rng(1)
        late.__enter__()
    late.gen.close()
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
    with isolated_rng(0):
        first = draw()
    with isolated_rng(0):
        assert draw() == first
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


def late_inside(outer, inner):
    """Return an inner block that Ctrl-C has left to the collector."""
    with outer:
        inner.__enter__()
    return inner.gen


def all_of(module):
    return {
        "flags": [part.training for part in module.modules()],
        "hooks": [list(part._forward_hooks) for part in module.modules()],
        "values": [value.tolist() for value in module.state_dict().values()],
        "outputs": module(torch.ones(2, 4)).tolist(),
    }


def make_module():
    with isolated_rng(0):
        net = torch.nn.Sequential(
            torch.nn.Linear(4, 4), torch.nn.Dropout(0.0), torch.nn.BatchNorm1d(4)
        )
        return split_linear(net, "0", 2).eval()


def changed(module, value):
    """Hold a block in which a module has other weights."""

    @contextmanager
    def block():
        with restored_state(module):
            for weight in module.parameters():
                weight.data.fill_(value)
            yield

    return block()


KINDS = {
    "flags": lambda module: eval_mode(module),
    "weights": lambda module: changed(module, 3.0),
    "hooks": lambda module: coupled_dropout(module, seed=0),
    "taps": lambda module: tapped_features(module, None),
    "heads": lambda module: heads_apart(module),
    "methods": lambda module: replace_methods(module, forward=lambda x: x),
}


@pytest.mark.parametrize("inner", KINDS)
@pytest.mark.parametrize("outer", [*KINDS, "generators", "part"])
def test_an_outer_block_ends_those_inside_that_did_not_end(outer, inner):
    module = make_module().train(inner == "flags")
    before = all_of(module)
    around = {
        "generators": lambda _: isolated_rng(0),
        "part": lambda m: eval_mode(m[0]),
    }
    late = late_inside((KINDS | around)[outer](module), KINDS[inner](module))
    after = all_of(module)
    if not before["flags"][0]:  # else batch normalisation has seen the rows
        assert after == before
    assert after["flags"] == before["flags"]
    # what is changed in between is not changed back by the collector
    module.train(False)
    changed = all_of(module)
    late.close()
    assert all_of(module) == changed


def test_blocks_end_from_the_inside_to_the_outside_also_where_one_is_interrupted():
    ended = []

    def end(name, interrupt=False):
        def restore():
            ended.append(name)
            if interrupt and ended.count(name) == 1:
                raise KeyboardInterrupt

        return put_back(restore)

    with pytest.raises(KeyboardInterrupt), end("outer"):
        late = end("inner", interrupt=True), end("innermost")
        for block in late:
            block.__enter__()
    for block in late:
        block.gen.close()
    assert ended == ["innermost", "inner", "inner", "outer"]


def test_a_restoring_that_fails_twice_does_not_keep_the_outer_one_from_ending():
    ended = []

    def fail():
        ended.append("inner")
        raise ValueError("fails")

    with (
        pytest.raises(ValueError, match="fails"),
        put_back(lambda: ended.append("outer")),
        put_back(fail),
    ):
        pass
    assert ended == ["inner", "inner", "outer"]


def test_threads_end_their_own_blocks():
    ended, inside, leave = [], threading.Event(), threading.Event()

    def hold():
        with put_back(lambda: ended.append("thread")):
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    with put_back(lambda: ended.append("main")):
        thread.start()
        inside.wait(60)
    assert ended == ["main"]
    leave.set()
    thread.join()
    assert ended == ["main", "thread"]


def test_a_block_that_ends_late_leaves_joblib_its_threads():
    with parallel_config("threading"):
        with isolated_rng(0):
            late = isolated_rng(1)
            late.__enter__()
        late.gen.close()
        assert type(get_active_backend()[0]) is ThreadingBackend
