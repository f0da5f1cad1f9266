"""The labelling page as one text, with its style and its script in it."""

from functools import cache
from pathlib import Path
from string import Template

_FOLDER = Path(__file__).parent / "page"


@cache
def part(name: str) -> str:
    """Return a file of the page.

    Parameters
    ----------
    name : str
        Its name.
    """
    return (_FOLDER / name).read_text(encoding="utf-8")


def page(nonce: str) -> str:
    """Return the page.

    Parameters
    ----------
    nonce : str
        The word by which the browser knows our script and style from any other.
    """
    return Template(part("page.html")).substitute(
        nonce=nonce,
        style=part("label.css"),
        script=f"{part('label.js')}\n{part('page.js')}",
    )
