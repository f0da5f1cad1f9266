"""Rows are looked at one by one unless a chain of layers shows that they are apart."""

import pytest
import torch
from support import make_net
from torch import nn
from zoo import ZOO, Base, images, vectors

from skal_deep.classifier import CapabilityError
from skal_deep.classifier.net import _dropout_check
from skal_deep.classifier.net._dropout_check import check_dropout
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


def test_mini_batches_are_looked_at(looks):
    net = fresh(MLP(6, 3))
    net.iterator_valid__batch_size = 4
    check_dropout(net, vectors(16))
    assert looks
