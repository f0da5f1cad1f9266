"""The small convolutional net."""

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from skal_deep.modules import ConvNet
from skal_deep.modules._dropout import dropout_layers


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 8), (2, 9, 13)])
def test_logits_of_images_of_any_size(shape):
    net = ConvNet(n_channels=shape[0], n_classes=4, n_hidden=16)
    assert net(torch.zeros(3, *shape)).shape == (3, 4)


def test_layers():
    net = ConvNet(dropout=0.4)
    lazy = [part for part in net.modules() if isinstance(part, nn.LazyLinear)]
    assert len(lazy) == 1  # the only size that depends on the size of the image
    assert [layer.p for layer in dropout_layers(net).values()] == [0.2, 0.4]
    assert not any(isinstance(part, _BatchNorm) for part in net.modules())
    *_, last = net.modules()
    assert type(last) is nn.Linear
