"""Rows are looked at one by one unless a chain of layers shows that they are apart."""

import numpy as np
import pytest
import torch
from support import make_net
from torch import nn
from torch.nn import functional as F
from zoo import ZOO, Base, images, vectors

from skal_deep.classifier import CapabilityError
from skal_deep.classifier.net import _dropout_check, _dropout_draws
from skal_deep.classifier.net._dropout_check import check_dropout
from skal_deep.classifier.net._dropout_draws import dropout_proba, run_whole
from skal_deep.classifier.net._plain_chain import plain_layers
from skal_deep.modules import MLP, ConvNet, isolated_rng

# The layers of these from the first dropout on are a chain.
CHAINS = {
    "MLP": (MLP(6, 3), vectors),
    "ConvNet": (ConvNet(1, 3), images),
    "in a row": (
        nn.Sequential(
            *(nn.Linear(6, 8), nn.Dropout(0.4), nn.Tanh(), nn.Linear(8, 8)),
            *(nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 3)),
        ),
        vectors,
    ),
}


def fresh(module):
    with isolated_rng(0):
        net = make_net(module).initialize()
    net.module_.eval()
    return net


@pytest.fixture
def looks(monkeypatch):
    """Return a list that grows when rows are looked at one by one."""
    done, check = [], _dropout_check._check_rows_apart

    def look(*args):
        done.append(args)
        check(*args)

    monkeypatch.setattr(_dropout_check, "_check_rows_apart", look)
    return done


@pytest.mark.parametrize("name", CHAINS)
def test_rows_of_a_chain_are_not_looked_at(name, looks):
    module, rows = CHAINS[name]
    check_dropout(fresh(module), rows(16))
    assert not looks


SOUND = [name for name, animal in ZOO.items() if animal.expected == "samples"]


def test_where_they_are_not_looked_at_they_stand_alone(looks, monkeypatch):
    chains = []
    for name in SOUND:
        looks.clear()
        check_dropout(fresh(ZOO[name].make()), ZOO[name].rows(9))
        if not looks:
            chains.append(name)
    assert {"a transformer", "experts", "early exit"}.isdisjoint(chains)
    assert {"ReLU in place", "batch norm", "images that are viewed"} & {*chains}
    monkeypatch.setattr(_dropout_check, "_drops_in_a_chain", lambda _: False)
    for name in chains:
        check_dropout(fresh(ZOO[name].make()), ZOO[name].rows(9))


class ByPlace(Base):
    """Even rows go through another dropout layer than odd ones."""

    drops = 2

    def forward(self, x):
        h = self.a(x)
        is_odd = torch.ones_like(h[:, :1]).cumsum(0) % 2 > 0
        return self.out(torch.where(is_odd, self.drop(h), self.drop2(h)))


class ByCall(ByPlace):
    """The same with one layer that runs twice."""

    def __init__(self):
        super().__init__()
        self.drop2 = self.drop


class ByOthers(Base):
    """The rows of a mini-batch decide together which dropout all of them meet."""

    drops = 2

    def forward(self, x):
        h = self.a(x)
        is_large = h.mean() > h[0].mean()
        return self.out(torch.where(is_large, self.drop(h), self.drop2(h)))


class InALayer(nn.Module):
    """A layer stands in a chain, and runs in another part before."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.4)
        self.inner = nn.Sequential(nn.Linear(6, 6), self.drop)
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        return self.out(self.drop(torch.where(x[:1] > 9, self.inner(x), x)))


@pytest.mark.parametrize("module", [ByPlace, ByCall, ByOthers])
def test_rows_that_do_not_stand_alone_are_refused(module, looks):
    with pytest.raises(CapabilityError, match="alone than with others"):
        check_dropout(fresh(module), vectors(16))
    assert looks


def test_what_runs_twice_is_looked_at(looks):
    check_dropout(fresh(InALayer), vectors(16))
    assert looks


def chain_with(change):
    """Return an MLP that something has changed which its class does not say."""

    def make():
        module = MLP(6, 3)
        change(module)
        return module

    return make


def noisy(layer, x, out):
    return F.dropout(out, 0.5)


def noisy_in_training(layer, x, out):
    return F.dropout(out, 0.5, layer.training)


def own_forward(module):
    module.forward = lambda x: F.dropout(module.layers(x), 0.5, module.training)


@pytest.mark.parametrize(
    "change",
    [
        lambda module: module.layers[1].register_forward_hook(noisy),
        lambda module: module.register_forward_hook(noisy_in_training),
        own_forward,
    ],
    ids=["a hook", "a hook in training", "a forward of its own"],
)
def test_chains_that_others_have_changed_are_searched(change):
    with pytest.raises(CapabilityError, match=r"draws random|code of its own"):
        check_dropout(fresh(chain_with(change)), vectors(16))


def test_a_chain_of_ones_own_class_is_searched():
    class Own(MLP):
        def forward(self, x):
            return F.dropout(super().forward(x), 0.5, self.training)

    with pytest.raises(CapabilityError, match="code of its own"):
        check_dropout(fresh(lambda: Own(6, 3)), vectors(16))


def repeated(size):
    """Return a chain in which layers stand twice."""
    inner, drop = nn.Linear(size, size), nn.Dropout(0.4)
    ends = nn.Linear(6, size), nn.Linear(size, 3)
    between = inner, nn.ReLU(), drop
    return nn.Sequential(ends[0], nn.ReLU(), drop, *between, *between, ends[1])


PLAIN = {
    "small": lambda: MLP(6, 3, n_hidden=3),
    "large": lambda: MLP(6, 3, n_hidden=40),
    "one hidden layer": lambda: MLP(6, 3, n_hidden=500, n_layers=1),
    "repeated layers": lambda: repeated(4),
    "large repeated layers": lambda: repeated(40),
    "hardly any is dropped": lambda: MLP(6, 3, n_hidden=40, dropout=0.001),
    "all is dropped": lambda: MLP(6, 3, n_hidden=40, dropout=1.0),
}


@pytest.mark.parametrize("make", PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize("batch_size", [3, 16])
def test_draws_of_a_chain_are_those_that_are_compared(make, batch_size, monkeypatch):
    net = fresh(make)
    net.iterator_valid__batch_size = batch_size
    assert plain_layers(net) is not None
    found = dropout_proba(net, vectors(16), 5, seed=1)
    monkeypatch.setattr(_dropout_draws, "plain_layers", lambda net: None)
    assert torch.equal(found, dropout_proba(net, vectors(16), 5, seed=1))


def test_dead_draws_of_a_chain_are_refused():
    net = fresh(MLP(6, 3))
    with torch.no_grad():
        for at in (1, 4):
            net.module_.layers[at].bias.fill_(-1e9)
    with pytest.raises(CapabilityError, match="ReLUs before them have died"):
        check_dropout(net, vectors(16))
    with pytest.raises(CapabilityError, match="no dropout layer with p > 0"):
        check_dropout(fresh(MLP(6, 3, dropout=0.0)), vectors(16))


def test_mini_batches_are_looked_at(looks):
    net = fresh(MLP(6, 3))
    net.iterator_valid__batch_size = 4
    check_dropout(net, vectors(16))
    assert looks


def test_a_forward_changes_no_batch_but_its_own():
    class Writes(nn.Linear):
        def forward(self, x, names):
            x *= 2
            names[:] = names + 1
            return x + torch.as_tensor(names)

    x, names = torch.ones(2, 3), np.arange(3.0)
    net = make_net(Writes(1, 1)).initialize()
    data = [[{"x": x, "names": names}, None]]
    first, again = run_whole(net, data), run_whole(net, data)
    assert torch.equal(first, again)
    assert torch.equal(x, torch.ones(2, 3))
    np.testing.assert_array_equal(names, np.arange(3.0))
