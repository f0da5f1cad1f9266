"""Hooks on a module: taking ours off again, finding those of the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules import module as torch_module

from skal_deep._put_back import put_back

# Hooks from here drop, or set weights: they see nothing that a user waits for.
_OWN_HOOKS = ("skal_deep.modules._dropout", "skal_deep.modules._attention", "torch.nn.")
_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
_HOOK_FLAGS = (
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
)


@contextmanager
def as_before(module: nn.Module) -> Iterator[None]:
    """Take all hooks off a module again that this package puts on it meanwhile.

    What ``module.compile()`` has made of its parts is off meanwhile: compiled code
    knows nothing of new hooks.
    """
    parts = list(module.modules())
    known = [{name: set(getattr(part, name)) for name in _HOOKS} for part in parts]
    compiled = [
        (part, part._compiled_call_impl)
        for part in parts
        if part._compiled_call_impl is not None
    ]

    def restore() -> None:
        for part, before in zip(parts, known, strict=True):
            for name in _HOOKS:
                hooks = getattr(part, name)
                for key in set(hooks) - before[name]:
                    if _origin(hooks[key]).startswith("skal_deep."):
                        del hooks[key]
                        for flags in _HOOK_FLAGS:
                            getattr(part, flags).pop(key, None)
        for part, implementation in compiled:
            part._compiled_call_impl = implementation

    with put_back(restore):
        for part, _ in compiled:
            part._compiled_call_impl = None
        yield


def foreign_hooks(module: nn.Module) -> list[str]:
    """Name the parts whose forward passes hooks of the user's watch or change."""
    found = [
        name or "the module itself"
        for name, part in module.named_modules()
        for kind in _HOOKS
        for hook in getattr(part, kind).values()
        if not _origin(hook).startswith(_OWN_HOOKS)
    ]
    if torch_module._global_forward_hooks or torch_module._global_forward_pre_hooks:
        found.append("all modules")
    return found


def _origin(hook: Any) -> str:
    """Return where a hook was written."""
    return str(getattr(hook, "__module__", None) or type(hook).__module__)
