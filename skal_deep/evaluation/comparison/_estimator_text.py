"""Estimators as text, for people."""

import inspect
from collections.abc import Mapping, Set
from typing import Any

from skal_deep.identity._values import (
    fingerprint,
    has_params,
    is_data,
    without_addresses,
)


def format_estimator(value: Any) -> str:
    """Return an estimator as text: whole, and the same in every process.

    Parameters
    ----------
    value : object
        Anything; of what has ``get_params`` the parameters that are not the defaults.
    """
    if not has_params(value):
        if isinstance(value, Mapping):
            items = (
                f"{key!r}: {format_estimator(item)}" for key, item in value.items()
            )
            return f"{{{', '.join(items)}}}"
        if isinstance(value, list | tuple):
            left, right = "[]" if isinstance(value, list) else "()"
            comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
            return f"{left}{', '.join(map(format_estimator, value))}{comma}{right}"
        if isinstance(value, float | int | str | None):
            return repr(value)
        if is_data(value):
            return f"<{fingerprint(value)}>"
        if inspect.isclass(value) or inspect.isroutine(value):
            return str(getattr(value, "__qualname__", value))
        if isinstance(value, Set):
            return f"{{{', '.join(sorted(map(format_estimator, value)))}}}"
        return without_addresses(repr(value))
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(type(value)).parameters.items()
    }
    texts = [
        f"{name}={format_estimator(item)}"
        for name, item in value.get_params(deep=False).items()
        if name not in defaults
        or format_estimator(item) != format_estimator(defaults[name])
    ]
    return f"{type(value).__name__}({', '.join(texts)})"
