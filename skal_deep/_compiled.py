"""How loops are compiled, where one operation after another would be too slow."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numba.core import config
from numba.extending import intrinsic

_Loop = TypeVar("_Loop", bound=Callable[..., None])

# NUMBA_DISABLE_JIT, for debugging, leaves no loop that could run.
ARE_COMPILED = not config.DISABLE_JIT  # type: ignore[attr-defined]


def compile_loop(**options: Any) -> Callable[[_Loop], _Loop]:
    """Return a decorator that compiles a loop at its first call for a type.

    The result is kept on disk where that is possible. The loop runs without Python's
    lock, so that several threads may run it.
    """
    options = {"nogil": True, "error_model": "numpy", **options}

    def decorate(function: _Loop) -> _Loop:
        try:
            compiled: _Loop = njit(cache=True, **options)(function)
        except RuntimeError:  # there is no folder that can be written
            compiled = njit(**options)(function)
        return compiled

    return decorate


def cast(source: Any, target: Any) -> Any:
    """Return a function for loops that takes the bits of one type for another's."""

    def of_types(typing_context: Any, value: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, _: Any, values: Any) -> Any:
            return builder.bitcast(values[0], context.get_value_type(target))

        return target(source), generate

    return intrinsic(of_types)
