"""Tracing touches nothing: not torch, not the module, not other threads."""

import threading

import pytest
import torch
from interrupts import interrupted_at
from torch import nn

from skal_deep.modules import MLP, ConvNet, coupled_dropout
from skal_deep.modules._prefix import SharedPrefix
from skal_deep.modules._thinned import draw_passes
from skal_deep.modules._trace import Trace

CLASS = {}


@pytest.fixture(autouse=True)
def class_before(monkeypatch):
    """nn.Module as it is when a test begins: compiling has changed it for good."""
    monkeypatch.setitem(globals(), "CLASS", dict(vars(nn.Module)))


def small():
    return nn.Sequential(nn.Linear(4, 40), nn.ReLU(), nn.Dropout(0.5), MLP(40, 3))


def draw(module, x):
    with torch.no_grad(), coupled_dropout(module, 0) as masks:
        return torch.stack(list(draw_passes(module).draws(x, masks, 3)))


class Constants(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))
        self.drop, self.n = nn.Dropout(0.5), 0

    def forward(self, x):
        self.n += 1
        self.seen = x
        return self.drop(x * (self.weight + torch.arange(4)))


def test_the_module_is_not_touched():
    module = Constants()
    before = dict(vars(module))
    trace = Trace(module, {"drop"})
    assert vars(module) == before
    values = {}
    for node in trace.nodes:
        is_input = node.op == "placeholder"
        values[node] = torch.ones(2, 4) if is_input else trace.run(node, values)
    assert values[node].shape == (2, 4)


def test_no_class_of_torch_changes_while_tracing():
    class Looks(nn.Module):
        def forward(self, x):
            assert dict(vars(nn.Module)) == CLASS
            return x

    Trace(nn.Sequential(Looks(), nn.Linear(4, 4)), set())


@pytest.mark.slow
def test_threads_that_draw_and_a_bystander():
    x, expected, failures = torch.rand(5, 4), {}, []
    modules = [small() for _ in range(3)] + [ConvNet(1, 3, n_hidden=8)]
    inputs = [x, x, x, torch.rand(5, 1, 8, 8)]
    for at, module in enumerate(modules):
        module(inputs[at])  # lazy layers
        expected[at] = draw(module.eval(), inputs[at])
    stop = threading.Event()

    def work(at):
        try:
            for _ in range(15):
                found = draw(modules[at], inputs[at])
                torch.testing.assert_close(found, expected[at])
        except Exception as error:
            failures.append(error)

    def stand_by():
        try:
            while not stop.is_set():
                nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.ReLU())(x)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(at,)) for at in [0, 0, 1, 2, 3]]
    bystander = threading.Thread(target=stand_by)
    for thread in [bystander, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    bystander.join()
    assert not failures
    assert dict(vars(nn.Module)) == CLASS


@pytest.mark.slow
def test_interrupts_at_any_line_leave_all_as_it_was():
    module, x = small(), torch.rand(3, 4)
    module[0].eval()
    expected = draw(module, x)
    flags = [part.training for part in module.modules()]
    n, n_interrupts = 1, 0
    while interrupted_at(lambda: draw(module, x), n):
        assert [part.training for part in module.modules()] == flags
        for part in module.modules():
            assert not part._forward_hooks
            assert not part._forward_pre_hooks
            assert not part._forward_pre_hooks_with_kwargs
            assert not part._forward_hooks_always_called
        n_interrupts += 1
        n += 1 + n // 40  # all of the first lines, then fewer and fewer
    assert n_interrupts > 150
    assert dict(vars(nn.Module)) == CLASS
    torch.testing.assert_close(draw(module, x), expected)


def test_a_module_that_is_called_in_its_own_way_is_refused():
    class Own(nn.Linear):
        def __call__(self, x):
            return super().__call__(x) + 1

    with pytest.raises(ValueError, match="called in its own way"):
        SharedPrefix(nn.Sequential(nn.Dropout(0.5), Own(4, 4)))
