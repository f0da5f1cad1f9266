"""Dropout as a posterior: one mask for all rows of a draw."""

import copy
import inspect
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from skal_deep._put_back import put_back
from skal_deep.modules._attention import AttentionDropout, hook_attention
from skal_deep.modules._hooks import as_before
from skal_deep.modules._rng import draw_generator, one_thread_at_a_time

_PER_CHANNEL = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout)
_ALPHA = (nn.AlphaDropout, nn.FeatureAlphaDropout)
# The negative saturation value of SELU, -scale * alpha (Klambauer et al., 2017).
_SELU_FLOOR = -1.7580993408473766


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
        elif isinstance(layer, nn.MultiheadAttention) and layer.dropout > 0:
            takes = inspect.signature(type(layer).forward).parameters
            if (
                takes.keys()
                != inspect.signature(nn.MultiheadAttention.forward).parameters.keys()
            ):
                found.append(
                    f"the attention dropout of {name or 'the module'!r}, whose forward "
                    "takes other arguments (set its `dropout` attribute to 0)"
                )
        if isinstance(layer, nn.RNNBase) and layer.dropout > 0 and layer.num_layers > 1:
            found.append(
                f"the dropout between the layers of {name or 'the module'!r} (stack "
                "single-layer RNNs with nn.Dropout between them)"
            )
        if isinstance(layer, torch.jit.ScriptModule) and any(
            f"aten::{word}" in str(layer.inlined_graph)
            for word in ("dropout", "alpha_dropout", "feature_dropout", "bernoulli")
        ):
            found.append(f"the dropout in the TorchScript of {name or 'the module'!r}")
            break  # which holds those of its parts, too
    return found


class CoupledDropout:
    """Masks that are shared by all rows, one set for each posterior draw.

    Made by :func:`coupled_dropout`. A mask depends on the seed, the number of the draw,
    the name of its layer and how often the layer has run in this pass, and on nothing
    else: a branch that some mini-batch skips moves no other mask. It is drawn the first
    time it is asked for and then kept.

    Parameters
    ----------
    seed : int
        Decides all masks.
    names : mapping of nn.Module to str
        Names of the layers.
    """

    def __init__(self, seed: int, names: Mapping[nn.Module, str]):
        self._seed, self._names = seed, names
        self._draw = 0
        self._calls: Counter[str] = Counter()
        self._masks: dict[tuple[int, str, int], Tensor] = {}
        self._only: str | None = None

    @property
    def used(self) -> set[str]:
        """Names of the layers that have run."""
        return {name for _, name, _ in self._masks}

    def use(self, draw: int, calls: Mapping[str, int] | None = None) -> None:
        """Apply the masks of this draw from now on.

        Parameters
        ----------
        draw : int
            Its number.
        calls : mapping of str to int, optional
            How often layers have run in its pass before; ``None`` is a new pass.
        """
        self._draw = draw
        self.start_pass()
        self._calls.update(calls or {})

    def of(self, draw: int) -> "CoupledDropout":
        """Return the masks of a new pass of a draw, which other passes do not move."""
        masks = copy.copy(self)
        masks._draw, masks._calls = draw, Counter()
        return masks

    def name(self, layer: nn.Module) -> str:
        """Return the name of a layer."""
        return self._names.get(layer, "")

    def drop_only(self, name: str | None) -> None:
        """Let no layer drop but the one of this name; ``None`` is all of them."""
        self._only = name

    def forget(self) -> None:
        """Drop the masks that were drawn; they come out the same again."""
        self._masks.clear()

    def start_pass(self, *_: Any) -> None:
        """Begin a forward pass; a forward pre-hook of the whole module."""
        self._calls.clear()

    def mask(self, layer: nn.Module, x: Tensor) -> Tensor:
        """Return the mask of this call: 1 = kept, of shape (1, *features)."""
        shape = [1, *x.shape[1:]]
        if isinstance(layer, _PER_CHANNEL):
            shape[2:] = [1] * (x.ndim - 2)
        return self.named_mask(self.name(layer), dropout_rate(layer), x, tuple(shape))

    def named_mask(
        self, name: str, p: float, x: Tensor, shape: tuple[int, ...]
    ) -> Tensor:
        """Return the mask of this call of what has a name; see :meth:`mask`."""
        key = self._draw, name, self._calls[name]
        self._calls[name] += 1
        if key not in self._masks:
            place = int.from_bytes(name.encode(), "big")
            generator = draw_generator(self._seed, self._draw, key[2], place)
            noise = torch.rand(shape, generator=generator)
            # small enough for a card to take it without a wait
            kept = (noise >= p).to(x.dtype)
            self._masks[key] = kept.to(x.device, non_blocking=True)
        mask = self._masks[key]
        if mask.shape != shape:
            raise ValueError(
                f"A dropout layer saw rows of shape {tuple(x.shape[1:])} after rows "
                f"of shape {tuple(mask.shape[1:])}. The rows of one draw share their "
                "mask: pad the rows to one shape, and keep them on the first axis."
            )
        if self._only not in (None, name):
            # divided by 1 - p, where that is not 0, by whoever applies it
            return torch.full_like(mask, 1 - p if p < 1 else 1)
        return mask

    def __call__(self, layer: _DropoutNd, _inputs: Any, output: Tensor) -> Tensor:
        """Drop units of the output; a forward hook of a layer in eval mode."""
        mask, p = self.mask(layer, output), layer.p
        if self._only not in (None, self.name(layer)):
            return output
        if isinstance(layer, _ALPHA):
            scale = 1 / math.sqrt((1 - p) * (1 + p * _SELU_FLOOR**2)) if p < 1 else 0.0
            dropped = output * mask + _SELU_FLOOR * (1 - mask)
            dropped = scale * (dropped - p * _SELU_FLOOR)
        else:
            dropped = output * (mask / (1 - p)) if p < 1 else output * mask
        # in place as in training, where other names of the input see it, too
        return output.copy_(dropped) if layer.inplace else dropped


@contextmanager
def coupled_dropout(
    module: nn.Module, seed: int, attention: Collection[str] = ()
) -> Iterator[CoupledDropout]:
    """Switch the dropout layers of a module on, and nothing else.

    The module is put in eval mode, so that batch normalisation neither uses nor
    updates batch statistics; its dropout layers then apply masks that all rows of a
    draw share [1]_. Every ``training`` flag and hook is as before at the end. Other
    threads that look into a module wait meanwhile.

    Parameters
    ----------
    module : nn.Module
        A module whose first axis is the rows.
    seed : int
        Decides all masks.
    attention : collection of str, default=()
        Names of the parts that drop attention by a function, such as
        ``F.scaled_dot_product_attention``. Such a part is in train mode, which lets it
        ask for dropout; the masks are ours.

    Yields
    ------
    CoupledDropout
        The masks; its ``use`` says which draw's are applied.

    See Also
    --------
    eval_mode : Dropout stays off.
    skal_deep.classifier.MCDropoutClassifier : Makes a posterior of it.

    References
    ----------
    .. [1] A. Kirsch, J. van Amersfoort, Y. Gal. BatchBALD: Efficient and Diverse
       Batch Acquisition for Deep Bayesian Active Learning. NeurIPS, 2019.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules import coupled_dropout
    >>> layer = torch.nn.Dropout(0.5)
    >>> with coupled_dropout(layer, seed=0) as masks:
    ...     masks.use(0)
    ...     first, second = layer(torch.ones(2, 8))
    >>> torch.equal(first, second)
    True
    """
    layers = dropout_layers(module)
    masks = CoupledDropout(seed, {layer: name for name, layer in layers.items()})
    with (
        one_thread_at_a_time(),
        as_before(module),
        eval_mode(module),
        ExitStack() as on,
    ):
        module.register_forward_pre_hook(masks.start_pass)
        for layer in layers.values():
            if isinstance(layer, nn.MultiheadAttention):
                hook_attention(layer, masks.mask)
            else:
                layer.register_forward_hook(masks)
        if attention:
            parts = {name: module.get_submodule(name) for name in attention}
            on.enter_context(AttentionDropout(parts, masks.named_mask))
            in_train_mode(parts.values())
        yield masks


def in_train_mode(parts: Iterable[nn.Module]) -> None:
    """Put parts in train mode whenever they run, by hooks.

    A flag that is set once would not do: skorch puts the whole module in eval mode
    before each mini-batch.
    """
    for part in parts:
        part.register_forward_pre_hook(lambda part, *_: setattr(part, "training", True))


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Put a module in eval mode for a while.

    Encoders do not nest padded rows meanwhile: hooks, and with them draws, embeddings
    and gradients, do not get along with nested tensors.

    Parameters
    ----------
    module : nn.Module
        The module; the flags of all its parts are as before at the end.

    Yields
    ------
    None
        Other threads wait meanwhile.

    See Also
    --------
    coupled_dropout : Dropout is on.

    Examples
    --------
    >>> from torch import nn
    >>> from skal_deep.modules import eval_mode
    >>> module = nn.Dropout(0.5)
    >>> with eval_mode(module):
    ...     module.training
    False
    >>> module.training
    True
    """
    with one_thread_at_a_time():
        parts = list(module.modules())
        flags = [part.training for part in parts]
        nesting = [
            part
            for part in parts
            if isinstance(part, nn.TransformerEncoder)
            and getattr(part, "use_nested_tensor", False)  # old ones lack it
        ]

        def restore() -> None:
            for part, training in zip(parts, flags, strict=True):
                if part.training is not training:  # to set it takes much longer
                    part.training = training
            for encoder in nesting:
                encoder.use_nested_tensor = True

        with put_back(restore):
            for encoder in nesting:
                encoder.use_nested_tensor = False
            # predictions come in hundreds, and most find the module in eval mode
            if any(flags) or not all(map(_only_sets_flags, parts)):
                module.eval()
            yield


def _only_sets_flags(part: nn.Module) -> bool:
    """Return whether the mode of a part is its flag, and nothing beside."""
    methods = (
        getattr(part.train, "__func__", None),
        getattr(part.eval, "__func__", None),
    )
    return methods == (nn.Module.train, nn.Module.eval)
