"""What people say, checked: a class or a number, of an item that was asked."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skal_deep.campaign.store._events import OK, SKIP, UNSURE, Event
from skal_deep.campaign.store._settings import Settings
from skal_deep.campaign.store._state import State
from skal_deep.rows._label_array import look_alikes


def as_answer(settings: Settings, value: Any) -> tuple[str, str | float | None]:
    """Return status and label of an answer.

    Parameters
    ----------
    settings : Settings
        Those of the campaign.
    value : str, float, SKIP or UNSURE
        What was said.
    """
    if value is SKIP or value is UNSURE:
        return value.status, None
    if hasattr(value, "as_py"):  # an entry of a column of pyarrow
        value = value.as_py()
    if settings.is_regression:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = np.nan
        if not np.isfinite(number) or isinstance(value, bool):
            raise ValueError(f"A label must be a finite number, not {value!r}.")
        return OK, number
    name = value.item() if isinstance(value, np.generic) else value
    if not isinstance(name, str) or name not in settings.classes:
        alike = look_alikes([name, *settings.classes])
        raise ValueError(
            f"{value!r} is no class of this campaign; its classes are "
            f"{', '.join(settings.classes)}. {alike or ''}".rstrip()
        )
    return OK, name


def event_of(
    state: State,
    name: str,
    value: Any,
    annotator: str,
    seconds: float | None,
    given: bool,
    via: str,
    digests: Mapping[str, str] | None,
) -> Event:
    """Return the event of an answer.

    Parameters
    ----------
    state : State
        What the files say.
    name : str
        The item.
    value : str, float, SKIP or UNSURE
        What was said.
    annotator : str
        Who said it.
    seconds : float or None
        How long it took.
    given : bool
        Whether items that were never asked are taken.
    via : str
        How the answer came.
    digests : mapping of str to str or None
        Of what was shown, by id.
    """
    items = state.items
    if name not in items.row_of:
        raise ValueError(f"There is no item {name!r} in this campaign.")
    asked = state.asked_in.get(name)
    if asked is None and not given:
        raise ValueError(
            f"{name!r} was not asked in any round. For a label that existed "
            "before, pass given=True (--given)."
        )
    status, label = as_answer(state.settings, value)
    return Event(
        name,
        status,
        label,
        annotator,
        asked[-1] if asked else 0,
        seconds=seconds,
        via=via,
        digest=(digests or {}).get(name) or items.digests[items.row_of[name]],
    )
