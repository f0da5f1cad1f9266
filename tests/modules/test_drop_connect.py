"""A linear layer that drops weights."""

import torch
from torch import nn

from skal_deep.modules import DropConnectLinear, coupled_dropout
from skal_deep.modules._dropout import dropout_layers


def test_without_dropout_it_is_linear():
    layer = DropConnectLinear(4, 3).eval()
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x), x @ layer.weight.T + layer.bias)


def test_weights_are_dropped_one_by_one_in_training():
    torch.random.manual_seed(0)
    layer = DropConnectLinear(50, 40, p=0.25).train()
    seen = layer(torch.eye(50)) - layer.bias
    kept = (seen != 0).float()
    assert abs(kept.mean() - 0.75) < 0.05
    torch.testing.assert_close(seen, kept * layer.weight.T / 0.75)


def test_a_draw_is_one_matrix_for_all_rows():
    torch.random.manual_seed(0)
    module = nn.Sequential(DropConnectLinear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    assert list(dropout_layers(module)) == ["0.drop"]
    x = torch.eye(6)
    with torch.no_grad(), coupled_dropout(module, 0) as masks:
        first, again, alone = module(x), module(x), module(x[3:4])
        masks.use(1)
        other = module(x)
    torch.testing.assert_close(first, again)
    torch.testing.assert_close(first[3:4], alone)
    assert not torch.equal(first, other)
