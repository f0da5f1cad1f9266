"""Errors of code that a user names as ``module:function``."""

import traceback
from collections.abc import Iterator, Sequence
from typing import Any

_OWN = __name__.partition(".")[0]


def error_of_named_code(error: BaseException, names: Sequence[Any]) -> str | None:
    """Return an error of the user's own code with its lines, and none of ours.

    ``None`` if that code had no part in it.

    Parameters
    ----------
    error : BaseException
        What was raised.
    names : sequence of str or None
        What the user typed, some of which may be ``module:function``.
    """
    said = [str(name) for name in names if name is not None and ":" in str(name)]
    modules = [name.partition(":")[0] for name in said]
    for each in _chain(error):
        frames = [
            (frame, line)
            for frame, line in traceback.walk_tb(each.__traceback__)
            if not _is_in(frame.f_globals.get("__name__"), [_OWN])
        ]
        is_named = [_is_in(f.f_globals.get("__name__"), modules) for f, _ in frames]
        if any(is_named):
            frames = frames[is_named.index(True) :]
        elif isinstance(each, SyntaxError) and modules:  # it says its line itself
            frames = []
        else:
            continue
        lines = traceback.StackSummary.extract(iter(frames)).format()
        lines += traceback.format_exception_only(each)
        return f"{', '.join(said)} failed:\n{''.join(lines).rstrip()}"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__


def _is_in(module: str | None, packages: list[str]) -> bool:
    """Return whether a module is one of some packages, or in one."""
    return any(f"{module}.".startswith(f"{package}.") for package in packages)
