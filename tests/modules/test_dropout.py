"""Coupled dropout: one mask for all rows, nothing else touched."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from skal_deep.modules import coupled_dropout, eval_mode
from skal_deep.modules._dropout import dropout_layers, unreachable_dropout

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "dropout_masks.npz")


def draws(module, x, n_draws, seed=0):
    with torch.no_grad(), coupled_dropout(module, seed) as masks:
        results = []
        for draw in range(n_draws):
            masks.use(draw)
            results.append(module(x))
    return torch.stack(results)


def mlp(dropout=0.5):
    torch.random.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2)
    )


@pytest.mark.slow
def test_monte_carlo_mean_is_the_mean_over_all_masks():
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(3, 2))
    module.double()
    with torch.no_grad():
        for layer, w, b in [(module[0], "W1", "b1"), (module[3], "W2", "b2")]:
            layer.weight.copy_(torch.as_tensor(GOLDEN[f"L_{w}"]))
            layer.bias.copy_(torch.as_tensor(GOLDEN[f"L_{b}"]))
    proba = draws(module, torch.as_tensor(GOLDEN["L_X"]), 4096).softmax(-1)
    np.testing.assert_allclose(proba.mean(0), GOLDEN["L_mean_proba"], atol=0.02)
    for draw in proba[:50]:  # each draw is one of the eight thinned networks
        distance = np.abs(GOLDEN["L_P_all_masks"] - draw.numpy()).max(axis=(1, 2))
        assert distance.min() < 1e-9


def test_rows_and_batches_share_the_masks_of_a_draw():
    module, x = mlp(), torch.ones(6, 3)
    whole = draws(module, x, 5)
    assert (whole == whole[:, :1]).all()
    assert not (whole == whole[:1]).all()
    with torch.no_grad(), coupled_dropout(module, 0) as masks:
        for rows in (x[:4], x[4:]):
            for draw in range(5):
                masks.use(draw)
                torch.testing.assert_close(module(rows), whole[draw, : len(rows)])


def test_draws_depend_on_seed_and_number_alone():
    module, x = mlp(), torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    few, many = draws(module, x, 3), draws(module, x, 6)
    torch.testing.assert_close(few, many[:3])
    assert not torch.equal(few, draws(module, x, 3, seed=1))


def test_a_module_called_twice_has_two_masks():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            return torch.stack([self.drop(x), self.drop(x)])

    once, again = draws(Twice(), torch.ones(1, 64), 1)[0]
    assert not torch.equal(once, again)


def test_channels_are_dropped_whole():
    dropped = draws(nn.Dropout2d(0.5), torch.ones(3, 32, 4, 4), 2)
    per_channel = dropped.flatten(-2)
    assert (per_channel == per_channel[..., :1]).all()
    assert set(dropped.unique().tolist()) == {0.0, 2.0}


def test_variational_masks_are_the_same_at_all_positions():
    with coupled_dropout(nn.Sequential(nn.Dropout1d(0.5)).eval(), 0) as masks:
        layer = nn.Dropout1d(0.5).eval()
        short = masks(layer, None, torch.ones(3, 16, 4))
        masks.start_pass()
        long = masks(layer, None, torch.ones(2, 16, 7))
    torch.testing.assert_close(short[0, :, :1].expand(16, 7), long[1])


@pytest.mark.parametrize("layer", [nn.Dropout(0.3), nn.AlphaDropout(0.3)])
def test_moments_are_those_of_dropout_in_training(layer):
    x = torch.randn(1, 200_000, generator=torch.Generator().manual_seed(0))
    sampled = draws(layer, x, 1)
    trained = layer.train()(x)
    assert abs(sampled.mean() - trained.mean()) < 0.02
    assert abs(sampled.std() - trained.std()) < 0.02


def test_p_of_one_drops_everything():
    assert (draws(nn.Dropout(1.0), torch.ones(2, 4), 1) == 0).all()


def test_nothing_but_dropout_changes_and_all_is_restored():
    module = nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2)
    )
    module[0].eval()
    flags = [m.training for m in module.modules()]
    state = copy.deepcopy(module.state_dict())
    rng = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="stop"), coupled_dropout(module, 0):
        module(torch.randn(5, 3, generator=torch.Generator().manual_seed(1)) * 9)
        raise RuntimeError("stop")
    assert [m.training for m in module.modules()] == flags
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
    assert torch.equal(rng, torch.get_rng_state())


def test_rows_of_another_shape_are_refused():
    with coupled_dropout(nn.Dropout(0.5), 0) as masks:
        layer = nn.Dropout(0.5).eval()
        masks(layer, None, torch.ones(2, 5))
        masks.start_pass()
        with pytest.raises(ValueError, match="share their"):
            masks(layer, None, torch.ones(2, 7))


def test_live_layers_are_listed():
    module = nn.Sequential(nn.Dropout(0.0), nn.Dropout(0.1))
    assert list(dropout_layers(module)) == ["1"]


def test_transformer_fast_path_does_not_hide_dropout():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True)
    layer.self_attn.dropout = 0.0
    proba = draws(layer.eval(), torch.ones(3, 4, 8), 3)
    assert not torch.equal(proba[0], proba[1])
    torch.testing.assert_close(proba[:, 0], proba[:, 1])


def test_unreachable_dropout_is_named():
    layer = nn.ModuleDict({"attend": nn.MultiheadAttention(8, 2, 0.5)})
    assert not unreachable_dropout(layer)
    layer["attend"].add_zero_attn = True
    assert "'attend' with bias_k or add_zero_attn" in unreachable_dropout(layer)[0]
    lstm = nn.Sequential(nn.LSTM(3, 4, num_layers=2, dropout=0.5))
    assert "'0'" in unreachable_dropout(lstm)[0]
    assert not unreachable_dropout(mlp())


class Counts(nn.Linear):
    """Does more than to set its flag where its mode is set."""

    def __init__(self):
        super().__init__(1, 1)
        self.modes = []

    def train(self, mode=True):
        self.modes.append(mode)
        return super().train(mode)


def test_a_mode_that_is_more_than_a_flag_is_set():
    part = Counts().eval()
    part.modes.clear()
    with eval_mode(nn.Sequential(part).eval()):
        part.modes.clear()
        with eval_mode(part):
            assert part.modes == [False]
    plain, modes = nn.Linear(1, 1).eval(), []
    plain.eval = lambda: modes.append(False)
    with eval_mode(plain):
        assert modes == [False]


def test_flags_that_are_set_inside_are_put_back():
    module = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()))
    for on in ({}, {module}, {module[0]}, {module[1], module[1][0]}):
        flags = [part in on for part in module.modules()]
        for part, is_on in zip(module.modules(), flags, strict=True):
            part.training = is_on
        with eval_mode(module):
            assert not any(part.training for part in module.modules())
            module[1].train()
        assert [part.training for part in module.modules()] == flags


def test_encoders_nest_no_rows_for_a_while():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 1)
    with pytest.raises(KeyError), eval_mode(encoder):
        assert not encoder.use_nested_tensor
        raise KeyError
    assert encoder.use_nested_tensor
    assert encoder.training
