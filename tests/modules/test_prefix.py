"""Sharing the deterministic part of a net changes nothing but the cost."""

import pytest
import torch
from torch import nn

from skal_deep.modules import MLP, ConvNet, coupled_dropout
from skal_deep.modules._prefix import SharedPrefix


class Counted(nn.Linear):
    def __init__(self, *args):
        super().__init__(*args)
        self.n_calls = 0

    def forward(self, x):
        self.n_calls += 1
        return super().forward(x)


class Branches(nn.Module):
    """Dropout on one of two paths, a layer used twice."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6)
        self.drop, self.norm = nn.Dropout(0.4), nn.BatchNorm1d(6)

    def forward(self, x):
        kept = self.norm(self.a(x)).relu()
        return self.drop(kept) + self.b(self.drop(kept)) + x.shape[1]


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(6, 2, 8, 0.5, batch_first=True)
        self.layer.self_attn.dropout = 0.0

    def forward(self, x):
        return self.layer(x[:, None]).flatten(1)


def plain(module, x, n_draws):
    with torch.no_grad(), coupled_dropout(module, 0) as masks:
        outputs = []
        for draw in range(n_draws):
            masks.use(draw)
            outputs.append(module(x))
    return torch.stack(outputs)


def shared(module, x, n_draws):
    with coupled_dropout(module, 0) as masks:
        return torch.stack(list(SharedPrefix(module).draws(x, masks, n_draws)))


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (MLP(6, 3), (5, 6)),
        (ConvNet(1, 3, n_hidden=8), (5, 1, 8, 8)),
        (Branches(), (5, 6)),
        (Transformer(), (5, 6)),
    ],
)
def test_equals_whole_passes(module, shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    module(x)  # lazy layers
    torch.testing.assert_close(shared(module, x, 6), plain(module, x, 6))


def test_the_prefix_runs_once():
    before, after = Counted(4, 4), Counted(4, 2)
    module = nn.Sequential(before, nn.ReLU(), nn.Dropout(0.5), after)
    fx_leafs = shared(module, torch.ones(3, 4), 7)
    assert fx_leafs.shape == (7, 3, 2)
    # traced through: the counters of stand-ins move then, those of the module never
    assert before.n_calls == after.n_calls == 0


def test_flow_that_depends_on_values_is_refused():
    class Flow(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ValueError, match="cannot be traced"):
        SharedPrefix(Flow())
    with pytest.raises(ValueError, match="hides dropout"):
        SharedPrefix(nn.Dropout(0.5))
