"""The multilayer perceptron."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from skal_deep.modules import MLP
from skal_deep.modules._dropout import dropout_layers


@pytest.mark.parametrize("shape", [(5,), (1, 4, 6)])
def test_logits_of_rows_of_any_shape(shape):
    x = torch.zeros(3, *shape)
    known = MLP(n_features=x[0].numel(), n_classes=4)
    assert known(x).shape == MLP(n_classes=4)(x).shape == (3, 4)


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_layers(n_layers):
    net = MLP(6, n_classes=2, n_hidden=7, n_layers=n_layers, dropout=0.25)
    linear = [part for part in net.modules() if isinstance(part, nn.Linear)]
    sizes = [6, *[7] * n_layers, 2]
    found = [(part.in_features, part.out_features) for part in linear]
    assert found == list(pairwise(sizes))
    assert [layer.p for layer in dropout_layers(net).values()] == [0.25] * n_layers


def test_the_size_is_lazy_only_if_it_is_unknown():
    def is_lazy(net):
        return any(isinstance(part, nn.LazyLinear) for part in net.modules())

    assert is_lazy(MLP())
    assert not is_lazy(MLP(n_features=3))


def test_the_last_layer_is_linear():
    *_, last = MLP(3).modules()
    assert type(last) is nn.Linear
