"""Dropout of attention with masks that are given."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

Mask = Callable[[nn.Module, Tensor], Tensor]


def hook_attention(layer: nn.MultiheadAttention, mask: Mask) -> list[RemovableHandle]:
    """Let a layer in eval mode drop attention by given masks.

    The dropout of attention is inside a function that no hook reaches. But the layer
    returns its attention when asked, and the output is linear in it: it is computed
    again from the attention that is left and the projected values.

    Parameters
    ----------
    layer : nn.MultiheadAttention
        Without ``bias_k`` and ``add_zero_attn``.
    mask : callable
        ``mask(layer, attention)`` returns 1 = kept for the attention (N, H, L, S) of N
        rows and H heads, from L positions to S positions.
    """
    signature = inspect.signature(layer.forward)
    asked: dict[str, Any] = {}

    def ask(_layer: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        asked.update(bound.arguments)
        bound.arguments |= {"need_weights": True, "average_attn_weights": False}
        return bound.args, bound.kwargs

    def drop(_layer: nn.Module, _inputs: Any, output: Any) -> tuple[Tensor, Any]:
        attention_NHLS = output[1]
        if attention_NHLS.ndim != 4:
            raise ValueError(
                "nn.MultiheadAttention saw a sequence without an axis for rows: it "
                "would let the rows of a mini-batch attend to one another."
            )
        kept_NHLS = attention_NHLS * mask(layer, attention_NHLS)
        if layer.dropout < 1:
            kept_NHLS = kept_NHLS / (1 - layer.dropout)
        out = _attended(layer, kept_NHLS, asked["value"])
        if not asked["need_weights"]:
            return out, None
        return out, kept_NHLS.mean(1) if asked["average_attn_weights"] else kept_NHLS

    return [
        layer.register_forward_pre_hook(ask, with_kwargs=True),
        layer.register_forward_hook(drop),
    ]


def _attended(
    layer: nn.MultiheadAttention, attention_NHLS: Tensor, value: Tensor
) -> Tensor:
    """Return the layer's output for given attention."""
    weight: Tensor | None = layer.v_proj_weight
    bias = layer.in_proj_bias
    if weight is None:  # one matrix for queries, keys and values
        weight = layer.in_proj_weight.chunk(3)[2]
    value = F.linear(value, weight, None if bias is None else bias.chunk(3)[2])
    value = value if layer.batch_first else value.transpose(0, 1)
    heads_NHSE = value.unflatten(-1, (layer.num_heads, -1)).transpose(1, 2)
    mixed = (attention_NHLS @ heads_NHSE).transpose(1, 2).flatten(2)
    out: Tensor = layer.out_proj(mixed)
    return out if layer.batch_first else out.transpose(0, 1)
