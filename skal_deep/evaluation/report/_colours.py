"""One colour for each strategy, in all figures and reports."""

from collections.abc import Sequence
from typing import Any
from zlib import crc32

# For people with any colour vision; each with a contrast of 3 : 1 and more to the white
# and to the dark background of a report.
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#00936B",
    "#C2629A",
    "#9C7A00",
    "#7B5FD0",
    "#C8324B",
    "#00848F",
)
BASELINE_COLOUR = "#757575"
_BASELINE = "random"
_MARKERS = "os^Dv<>P"

# Positions in the palette; strategies that are often compared have different ones.
_KNOWN = {
    "bald": 0,
    "batchbald": 1,
    "badge": 2,
    "coreset": 3,
    "vaal": 4,
    "marginsampling": 5,
    "powerbald": 6,
    "lcmd": 7,
    "typiclust": 4,
    "maxherding": 5,
    "probcover": 6,
    "maxdet": 6,
    "bait": 7,
    "predictiveentropy": 0,
    "epig": 1,
}
_ALIASES = {"margin": "marginsampling", "entropy": "predictiveentropy"}


def strategy_styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return how the line of each strategy looks, as arguments of ``ax.plot``.

    The colour belongs to the name, whatever else is compared and in which order; random
    sampling is dashed and grey. Where two of the names have the same colour, one of
    them, always the same, takes the next that is free.

    Use it in figures of your own, so that a strategy looks the same in all of them.

    Parameters
    ----------
    names : sequence of str
        Names of the strategies in one figure.

    Returns
    -------
    dict of str to dict
        Colour, line style, marker and width by name.

    See Also
    --------
    plot_curves : Draws with these styles.

    Examples
    --------
    >>> from skal_deep.evaluation import strategy_styles
    >>> strategy_styles(["random", "BALD"])["BALD"]["color"]
    '#0072B2'
    >>> strategy_styles(["Badge", "bald"])["bald"]["color"]
    '#0072B2'
    """
    styles: dict[str, dict[str, Any]] = {}
    taken: set[tuple[int, int]] = set()
    for name in sorted(set(names), key=_rank):
        if name == _BASELINE:
            styles[name] = {
                "color": BASELINE_COLOUR,
                "linestyle": "--",
                "linewidth": 2,
            }
            continue
        place = _free(_place(name), taken)
        taken.add(place)
        styles[name] = {
            "color": PALETTE[place[0]],
            "marker": _MARKERS[place[1]],
            "markersize": 4.5,
            "linewidth": 2,
        }
    return {name: styles[name] for name in names}


def _key(name: str) -> str:
    """Return a name without case, spaces and dashes."""
    key = "".join(letter for letter in name.lower() if letter.isalnum())
    return _ALIASES.get(key, key)


def _place(name: str) -> int:
    key = _key(name)
    return _KNOWN.get(key, crc32(key.encode()) % len(PALETTE))


def _rank(name: str) -> tuple[int, str, str]:
    """Return who keeps the colour: known strategies, then the others by name."""
    key, known = _key(name), list(_KNOWN)
    return (known.index(key) if key in _KNOWN else len(known), key, name)


def _free(own: int, taken: set[tuple[int, int]]) -> tuple[int, int]:
    """Return the next colour that is free; if none is, another marker of the own."""
    n = len(PALETTE)
    colours = {colour for colour, _ in taken}
    for step in range(n):
        colour = (own + step) % n
        if colour not in colours:
            return colour, colour
    for step in range(n):
        if (own, (own + step) % n) not in taken:
            return own, (own + step) % n
    return own, own
