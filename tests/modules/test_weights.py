"""Weights as one vector, and batch normalisation for weights never trained."""

import pytest
import torch
from torch import nn

from skal_deep.modules._weights import (
    refresh_batch_norm,
    restored_state,
    set_trained_weights,
    trained_weights,
)

X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def module():
    torch.random.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)
    ).eval()


def test_weights_go_round(module):
    weights = trained_weights(module)
    assert weights.shape == (16 + 8 + 10,)
    set_trained_weights(module, weights * 2)
    torch.testing.assert_close(trained_weights(module), weights * 2)


def test_states_come_back(module):
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(RuntimeError, match="stop"), restored_state(module):
        set_trained_weights(module, torch.zeros(34))
        module.train()(X)
        raise RuntimeError("stop")
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_statistics_are_those_of_the_rows(module):
    dropped = []
    module[2].register_forward_hook(lambda _, x, y: dropped.append(x[0] - y))
    refresh_batch_norm(module, lambda: [module(part) for part in X.chunk(2)])
    halves = [module[0](part) for part in X.chunk(2)]
    mean = (halves[0].mean(0) + halves[1].mean(0)) / 2
    torch.testing.assert_close(module[1].running_mean, mean)
    variance = (halves[0].var(0) + halves[1].var(0)) / 2
    torch.testing.assert_close(module[1].running_var, variance)
    assert not any(part.training for part in module.modules())
    assert module[1].momentum == 0.1
    assert all((part == 0).all() for part in dropped)
