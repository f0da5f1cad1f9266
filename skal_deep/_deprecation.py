"""Names that go away: a warning for two minor versions, then a test that fails."""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

Deprecated = TypeVar("Deprecated", bound=Callable[..., Any])


class Deprecation(NamedTuple):
    """One name that goes away, and the version that no longer has it."""

    name: str
    removal: str


# Filled by the decorator as modules are imported; the test suite compares each entry
# with the version of the package, so that a removal that is due cannot be forgotten.
DEPRECATIONS: list[Deprecation] = []


def deprecated(replacement: str, removal: str) -> Callable[[Deprecated], Deprecated]:
    """Mark a function or class as going away.

    Parameters
    ----------
    replacement : str
        What to use in its place, as a user would write it.
    removal : str
        The version without it, two minor versions after the first that warns, for
        example ``"0.4"``.

    Returns
    -------
    mark : callable
        A decorator. What it decorates works as before and gives a ``FutureWarning``
        that names the replacement and the version.

    Examples
    --------
    >>> from skal_deep._deprecation import deprecated
    >>> @deprecated("area_under_curve", removal="0.4")
    ... def area(curve):
    ...     return sum(curve)
    """

    def mark(value: Deprecated) -> Deprecated:
        name = f"{value.__module__}.{value.__qualname__}"
        message = (
            f"{name} is deprecated and will be removed in version {removal}. "
            f"Use {replacement} instead."
        )
        DEPRECATIONS.append(Deprecation(name, removal))
        if inspect.isclass(value):
            initialize = value.__init__

            @functools.wraps(initialize)
            def warn_first(self: Any, *args: Any, **kwargs: Any) -> None:
                warnings.warn(message, FutureWarning, stacklevel=2)
                initialize(self, *args, **kwargs)

            setattr(value, "__init__", warn_first)  # noqa: B010
            return value

        @functools.wraps(value)
        def warn(*args: Any, **kwargs: Any) -> Any:
            warnings.warn(message, FutureWarning, stacklevel=2)
            return value(*args, **kwargs)

        return warn  # type: ignore[return-value]

    return mark


def overdue(version: str) -> list[Deprecation]:
    """Return the deprecations whose removal is due in a version of the package."""
    return [entry for entry in DEPRECATIONS if _minor(entry.removal) <= _minor(version)]


def _minor(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
