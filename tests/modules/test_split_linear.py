"""A linear layer of several heads."""

import pytest
import torch
from torch import nn

from skal_deep.modules._split_linear import SplitLinear, heads_apart, split_linear


@pytest.fixture
def layer():
    torch.random.manual_seed(0)
    return SplitLinear(5, 3, n_heads=4)


@pytest.mark.parametrize("shape", [(6, 5), (6, 2, 5)])
def test_rows_of_the_output_are_rows_and_heads(layer, shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    stacked = layer.train()(x)
    assert stacked.shape == (24, *shape[1:-1], 3)
    for m in range(4):
        rows = slice(3 * m, 3 * m + 3)
        alone = x @ layer.weight[rows].T + layer.bias[rows]
        torch.testing.assert_close(stacked.unflatten(0, (6, 4))[:, m], alone)
    torch.testing.assert_close(layer.eval()(x), stacked.unflatten(0, (6, 4)).mean(1))


def test_heads_stay_apart_for_a_while(layer):
    layer.eval()
    with pytest.raises(RuntimeError, match="stop"), heads_apart(layer):
        assert len(layer(torch.ones(2, 5))) == 8
        raise RuntimeError("stop")
    assert len(layer(torch.ones(2, 5))) == 2


def test_heads_start_differently(layer):
    first, second = layer.weight[:3], layer.weight[3:6]
    assert not torch.equal(first, second)


def test_layers_are_replaced_by_name():
    module = nn.Sequential(nn.Linear(2, 4), nn.Sequential(nn.Linear(4, 3, bias=False)))
    split = split_linear(module, "1.0", 5)
    assert split is module
    assert split[1][0].weight.shape == (15, 4)
    assert split[1][0].bias is None
    assert isinstance(split_linear(nn.Linear(2, 3).double(), "", 2), SplitLinear)
