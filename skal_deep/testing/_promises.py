"""What a check raises, and what a report says of it."""

from collections.abc import Callable
from typing import Any


def expect(is_kept: Any, message: str) -> None:
    """Raise ``AssertionError`` unless a promise is kept, under ``python -O`` too."""
    if not is_kept:
        raise AssertionError(message)


def failure(check: Callable[[Any], None], case: Any) -> str | None:
    """Return what is wrong with a case in one line, or ``None``."""
    try:
        check(case)
    except Exception as error:
        message = str(error).strip().splitlines()
        return f"{type(error).__name__}: {message[0] if message else ''}"
    return None
