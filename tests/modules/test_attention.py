"""Attention dropout with coupled masks."""

import pytest
import torch
from torch import nn

from skal_deep.modules import coupled_dropout
from skal_deep.modules._attention import hook_attention
from skal_deep.modules._dropout import dropout_sites

X = torch.randn(4, 5, 8, generator=torch.Generator().manual_seed(0))


def attention(**params):
    torch.random.manual_seed(0)
    params = {"dropout": 0.5, "batch_first": True} | params
    return nn.MultiheadAttention(8, 2, **params).eval()


def scaled(layer, **params):
    """Return the output where the mask is 1 - p."""
    hooks = hook_attention(layer, lambda _, x: torch.full_like(x[:1], 0.5))
    with torch.no_grad():
        output = layer(X, X, X, **params)
    for hook in hooks:
        hook.remove()
    return output


@pytest.mark.parametrize(
    "build", [{}, {"batch_first": False}, {"bias": False}, {"kdim": 8, "vdim": 8}]
)
@pytest.mark.parametrize(
    "call",
    [
        {},
        {"need_weights": False},
        {"average_attn_weights": False},
        {"attn_mask": torch.ones(5, 5).triu(1).bool()},
    ],
)
def test_attention_that_is_left_gives_the_output(build, call):
    """A mask of 1 - p everywhere undoes the scale: the output is the layer's own."""
    layer = attention(**build)
    if not build.get("batch_first", True) and "attn_mask" in call:
        call = {"attn_mask": torch.ones(4, 4).triu(1).bool()}
    with torch.no_grad():
        expected = layer(X, X, X, **call)
    output = scaled(layer, **call)
    torch.testing.assert_close(output[0], expected[0])
    assert (output[1] is None) == (expected[1] is None)
    if expected[1] is not None:
        torch.testing.assert_close(output[1], expected[1])


@pytest.mark.slow
def test_other_widths_of_keys_and_values():
    layer = attention(kdim=3, vdim=6)
    key, value = X[..., :3], X[..., :6]
    with torch.no_grad():
        expected = layer(X, key, value)[0]
        with coupled_dropout(layer, 0) as masks:
            draws = []
            for draw in range(3000):
                masks.use(draw)
                draws.append(layer(X, key, value=value)[0])
    torch.testing.assert_close(torch.stack(draws).mean(0), expected, atol=0.05, rtol=0)


def test_arguments_by_position():
    layer = attention()
    with torch.no_grad(), coupled_dropout(layer, 0):
        assert layer(X, X, X, None, False)[1] is None
        assert layer(X, X, X, None, True, None, False)[1].shape == (4, 2, 5, 5)
        assert layer(X, X, X, None, True)[1].shape == (4, 5, 5)


def test_rows_share_the_mask_of_a_draw():
    layer, same = attention(), X[:1].expand(6, 5, 8)
    with torch.no_grad(), coupled_dropout(layer, 0) as masks:
        first, weights = layer(same, same, same)
        again = layer(X, X, X)[0]
        masks.use(1)
        other = layer(same, same, same)[0]
    torch.testing.assert_close(first, first[:1].expand_as(first))
    torch.testing.assert_close(again[0], first[0])
    assert not torch.allclose(first, other)
    assert (weights == 0).any()


@pytest.mark.slow
def test_moments_are_those_of_training():
    layer = attention(dropout=0.3)
    torch.random.manual_seed(1)
    with torch.no_grad():
        with coupled_dropout(layer, 0) as masks:
            ours = []
            for draw in range(2000):
                masks.use(draw)
                ours.append(layer(X, X, X)[0])
        layer.train()
        theirs = torch.stack([layer(X, X, X)[0] for _ in range(2000)])
    ours = torch.stack(ours)
    torch.testing.assert_close(ours.mean(0), theirs.mean(0), atol=0.06, rtol=0)
    torch.testing.assert_close(ours.std(0), theirs.std(0), atol=0.06, rtol=0)


def test_encoder_layers_drop_all_there_is():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True).eval()
    assert len(dropout_sites(layer)) == 4
    assert dropout_sites(layer)[0] == "MultiheadAttention(p=0.5) 'self_attn'"
    for part in (layer.dropout, layer.dropout1, layer.dropout2):
        part.p = 0.0
    with torch.no_grad(), coupled_dropout(layer, 0) as masks:
        first = layer(X)
        masks.use(1)
        assert not torch.allclose(first, layer(X))
    assert not layer.self_attn._forward_hooks
    assert not layer.self_attn._forward_pre_hooks


def test_a_sequence_without_rows_is_refused():
    layer = attention()
    with (
        torch.no_grad(),
        coupled_dropout(layer, 0),
        pytest.raises(ValueError, match="axis for rows"),
    ):
        layer(X[0], X[0], X[0])
