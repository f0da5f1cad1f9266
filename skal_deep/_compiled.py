"""How loops are compiled, where one operation after another would be too slow."""

from collections.abc import Callable
from typing import Any, TypeVar

_Loop = TypeVar("_Loop", bound=Callable[..., None])


def are_compiled() -> bool:
    """Return whether there are compiled loops: NUMBA_DISABLE_JIT leaves none.

    Numba, and the loops, are imported by who is about to run them: that takes a
    quarter of a second, which who only imports this package need not wait.
    """
    from numba.core import config

    return not config.DISABLE_JIT  # type: ignore[attr-defined]


def compile_loop(**options: Any) -> Callable[[_Loop], _Loop]:
    """Return a decorator that compiles a loop at its first call for a type.

    The result is kept on disk where that is possible. The loop runs without Python's
    lock, so that several threads may run it.
    """
    from numba import njit

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
    from numba.extending import intrinsic

    def of_types(typing_context: Any, value: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, _: Any, values: Any) -> Any:
            return builder.bitcast(values[0], context.get_value_type(target))

        return target(source), generate

    return intrinsic(of_types)


def prefetch() -> Any:
    """Return a function for loops that brings a number of an array close, or nothing.

    ``prefetch(array, at)`` counts from the first number in memory. It neither waits nor
    fails, wherever that leads: a place behind the array is allowed.
    """
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def of_array(typing_context: Any, array: Any, at: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            numbers = context.make_array(signature.args[0])(context, builder, values[0])
            byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
            place = builder.bitcast(builder.gep(numbers.data, [values[1]]), byte)
            fetch = builder.module.declare_intrinsic(
                "llvm.prefetch",
                (byte,),
                ir.FunctionType(ir.VoidType(), [byte, word, word, word]),
            )
            # to be read, into the closest cache, as data
            builder.call(fetch, [place, word(0), word(3), word(1)])
            return context.get_dummy_value()

        return types.void(array, types.intp), generate

    return intrinsic(of_array)
