"""Dropout as a posterior: one mask for all rows of a draw."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

from skal_deep.modules._attention import hook_attention
from skal_deep.modules._rng import draw_generator

_PER_CHANNEL = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout)
_ALPHA = (nn.AlphaDropout, nn.FeatureAlphaDropout)
# The negative saturation value of SELU, -scale * alpha (Klambauer et al., 2017).
_SELU_FLOOR = -1.7580993408473766
_FUNCTIONAL = (
    F.dropout,
    F.dropout1d,
    F.dropout2d,
    F.dropout3d,
    F.alpha_dropout,
    F.feature_alpha_dropout,
)


def dropout_rate(layer: nn.Module) -> float:
    """Return the share that a layer drops: of units, or of attention."""
    if isinstance(layer, nn.MultiheadAttention):
        return float(layer.dropout)
    return float(layer.p) if isinstance(layer, _DropoutNd) else 0.0


def dropout_layers(module: nn.Module) -> dict[str, nn.Module]:
    """Return the layers that drop something, by their names in the module."""
    return {
        name: layer for name, layer in module.named_modules() if dropout_rate(layer) > 0
    }


def dropout_sites(module: nn.Module) -> list[str]:
    """Say in words where something is dropped."""
    return [
        f"{type(layer).__name__}(p={dropout_rate(layer):g}) {name!r}"
        for name, layer in dropout_layers(module).items()
    ]


def unreachable_dropout(module: nn.Module) -> list[str]:
    """Name the built-in dropout that no hook can reach, and what to do about it."""
    found = []
    for name, layer in module.named_modules():
        if (
            isinstance(layer, nn.MultiheadAttention)
            and layer.dropout > 0
            and (layer.bias_k is not None or layer.add_zero_attn)
        ):
            found.append(
                f"the attention dropout of {name or 'the module'!r} with bias_k or "
                "add_zero_attn (set its `dropout` attribute to 0)"
            )
        if isinstance(layer, nn.RNNBase) and layer.dropout > 0 and layer.num_layers > 1:
            found.append(
                f"the dropout between the layers of {name or 'the module'!r} (stack "
                "single-layer RNNs with nn.Dropout between them)"
            )
    return found


class CoupledDropout:
    """Masks that are shared by all rows, one set for each posterior draw.

    Made by :func:`coupled_dropout`. The masks of a draw are drawn the first time
    its layers run and then kept, so that every mini-batch and every chunk of a pool
    sees the same thinned network. They depend on the seed and the number of the
    draw alone.
    """

    def __init__(self, seed: int):
        self._seed = seed
        self._draw = 0
        self._call = 0
        self._masks: dict[tuple[int, int], Tensor] = {}
        self._generators: dict[int, torch.Generator] = {}

    def use(self, draw: int) -> None:
        """Apply the masks of this draw from now on."""
        self._draw = draw

    def start_pass(self, *_: Any) -> None:
        """Begin a forward pass; a forward pre-hook of the whole module."""
        self._call = 0

    def mask(self, layer: nn.Module, x: Tensor) -> Tensor:
        """Return the mask of this call: 1 = kept, of shape (1, *features)."""
        key = self._draw, self._call
        self._call += 1
        if key not in self._masks:
            shape = [1, *x.shape[1:]]
            if isinstance(layer, _PER_CHANNEL):
                shape[2:] = [1] * (x.ndim - 2)
            noise = torch.rand(shape, generator=self._generator())
            self._masks[key] = (noise >= dropout_rate(layer)).to(x.device, x.dtype)
        mask = self._masks[key]
        if mask.ndim != x.ndim or any(
            m not in (1, n) for m, n in zip(mask.shape[1:], x.shape[1:], strict=True)
        ):
            raise ValueError(
                f"A dropout layer saw rows of shape {tuple(x.shape[1:])} after rows "
                f"of shape {tuple(mask.shape[1:])}. The rows of one draw share their "
                "mask: pad the rows to one shape, and keep them on the first axis."
            )
        return mask

    def _generator(self) -> torch.Generator:
        """Return the generator of this draw."""
        if self._draw not in self._generators:
            self._generators[self._draw] = draw_generator(self._seed, self._draw)
        return self._generators[self._draw]

    def __call__(self, layer: _DropoutNd, _inputs: Any, output: Tensor) -> Tensor:
        """Drop units of the output; a forward hook of a layer in eval mode."""
        mask, p = self.mask(layer, output), layer.p
        if not isinstance(layer, _ALPHA):
            return output * (mask / (1 - p)) if p < 1 else output * mask
        scale = 1 / math.sqrt((1 - p) * (1 + p * _SELU_FLOOR**2)) if p < 1 else 0.0
        dropped = output * mask + _SELU_FLOOR * (1 - mask)
        return scale * (dropped - p * _SELU_FLOOR)


@contextmanager
def coupled_dropout(module: nn.Module, seed: int) -> Iterator[CoupledDropout]:
    """Switch the dropout layers of a module on, and nothing else.

    The module is put in eval mode, so that batch normalisation neither uses nor
    updates batch statistics; its dropout layers then apply masks that all rows of a
    draw share [1]_. Every ``training`` flag and hook is as before at the end.

    Parameters
    ----------
    module : nn.Module
        A module whose first axis is the rows.
    seed : int
        Decides all masks.

    References
    ----------
    .. [1] A. Kirsch, J. van Amersfoort, Y. Gal. BatchBALD: Efficient and Diverse
       Batch Acquisition for Deep Bayesian Active Learning. NeurIPS, 2019.
    """
    masks = CoupledDropout(seed)
    handles = [module.register_forward_pre_hook(masks.start_pass)]
    for layer in dropout_layers(module).values():
        if isinstance(layer, nn.MultiheadAttention):
            handles += hook_attention(layer, masks.mask)
        else:
            handles.append(layer.register_forward_hook(masks))
    try:
        with eval_mode(module):
            yield masks
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Put a module in eval mode for a while."""
    flags = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in flags:
            part.training = training


class FunctionalDropout(TorchFunctionMode):
    """Counts calls of ``F.dropout`` and its kin that no dropout layer made.

    Dropout written as a function has no layer to hook: in eval mode it is silently
    off, and left in train mode it draws another mask for each row.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self._module = module
        self._by_layers = 0
        self._in_all = 0

    @property
    def n_calls(self) -> int:
        """How many calls came from no dropout layer."""
        return self._in_all - self._by_layers

    def __enter__(self) -> "FunctionalDropout":
        self._handles = [
            layer.register_forward_pre_hook(self._count_layer)
            for layer in dropout_layers(self._module).values()
            if isinstance(layer, _DropoutNd)
        ]
        super().__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        for handle in self._handles:
            handle.remove()

    def _count_layer(self, *_: Any) -> None:
        self._by_layers += 1

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FUNCTIONAL:
            p = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
            self._in_all += p > 0
        return func(*args, **kwargs)
