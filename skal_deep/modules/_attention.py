"""Dropout of attention with masks that are given."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

Mask = Callable[[nn.Module, Tensor], Tensor]
NamedMask = Callable[[str, float, Tensor, tuple[int, ...]], Tensor]


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
        out = _attend(layer, kept_NHLS, asked["value"])
        if not asked["need_weights"]:
            return out, None
        return out, kept_NHLS.mean(1) if asked["average_attn_weights"] else kept_NHLS

    return [
        layer.register_forward_pre_hook(ask, with_kwargs=True),
        layer.register_forward_hook(drop),
    ]


def _attend(
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


class AttentionDropout(TorchFunctionMode):
    """Lets parts of a module drop attention by given masks, where functions drop it.

    Parameters
    ----------
    parts : mapping of str to nn.Module
        The parts whose ``forward`` calls ``F.scaled_dot_product_attention`` with
        ``dropout_p``, or ``F.dropout`` on attention.
    mask : callable
        ``mask(name, p, attention, shape)`` returns 1 = kept for the next call in a
        part, of the given shape.
    """

    def __init__(self, parts: Mapping[str, nn.Module], mask: NamedMask):
        super().__init__()
        self._parts, self._mask = parts, mask
        self._running: list[str] = []

    def __enter__(self) -> "AttentionDropout":
        for name, part in self._parts.items():
            part.register_forward_pre_hook(
                lambda *_, name=name: self._running.append(name)
            )
            part.register_forward_hook(
                lambda *_: self._leave(),  # and return nothing: the output stays
                always_call=True,
            )
        super().__enter__()
        return self

    def _leave(self) -> None:
        self._running.pop()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._running and (call := dropped_share(func, args, kwargs)) > 0:
            if func is F.scaled_dot_product_attention:
                return self._attend(call, *args, **kwargs)
            return self._drop(kwargs["input"] if "input" in kwargs else args[0], call)
        return func(*args, **kwargs)

    def _drop(self, attention: Tensor, p: float) -> Tensor:
        name, shape = self._running[-1], (1, *attention.shape[1:])
        kept = attention * self._mask(name, p, attention, shape)
        return kept / (1 - p) if p < 1 else kept

    def _attend(
        self,
        p: float,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,  # noqa: ARG002
        is_causal: bool = False,
        **settings: Any,
    ) -> Tensor:
        """Return the attended values, computed from the attention that is left."""
        if query.ndim < 3:
            raise ValueError(
                "F.scaled_dot_product_attention saw a sequence without an axis for "
                "rows: it would let the rows of a mini-batch attend to one another."
            )
        # The output is linear in the values: for unit vectors it is the attention.
        units = torch.eye(key.shape[-2], dtype=value.dtype, device=value.device)
        units = units.expand(*value.shape[:-1], -1)
        attention = F.scaled_dot_product_attention(
            query, key, units, attn_mask, 0.0, is_causal, **settings
        )
        if settings.get("enable_gqa") and query.ndim > 3:
            value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
        return self._drop(attention, p) @ value


def dropped_share(func: Any, args: Any, kwargs: Any) -> float:
    """Return the share that a call of a function drops that may drop attention."""
    if func is F.scaled_dot_product_attention:
        return float(kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0))
    if func is F.dropout or func is torch.dropout:
        p = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
        given = kwargs.get("training", kwargs.get("train", True))
        return float(p) if (args[2] if len(args) > 2 else given) else 0.0
    return 0.0
