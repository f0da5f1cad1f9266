"""The open round as one static page: thumbnails, texts, entries."""

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Any

from skal_deep.campaign.store._folder import Folder
from skal_deep.campaign.store._images import open_image
from skal_deep.evaluation.report._page import page, paragraph
from skal_deep.rows._image_file import as_rgb

if TYPE_CHECKING:
    from skal_deep.campaign._campaign_files import CampaignFiles

_THUMBNAIL = 160
STYLE = (
    "<style>.sheet { display: grid; gap: .75rem; padding: 0; list-style: none; "
    "grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); }"
    ".sheet li { border: 1px solid var(--line); border-radius: 8px; padding: .5rem; "
    "background: var(--card); overflow-wrap: anywhere; white-space: pre-line; "
    "font-size: .85rem; }"
    ".sheet img { display: block; max-width: 100%; margin: 0 auto .4rem; }</style>"
)


def contact_sheet(campaign: "CampaignFiles", number: int, ids: list[str]) -> str:
    """Return a round as a page.

    Parameters
    ----------
    campaign : Campaign
        The campaign that asks.
    number : int
        Of the round.
    ids : list of str
        Its items.
    """
    wanted = ", ".join(campaign.classes) or "a number"
    cards = "".join(f"<li>{_card(campaign, name)}</li>" for name in ids)
    n_left = len(campaign.left(number))
    parts = [
        STYLE,
        paragraph(
            f"{len(ids)} items, {n_left} of them without an answer. Labels: {wanted}."
        ),
        paragraph(
            f"To label here: python -m skal_deep label {campaign.path}. Or fill in the "
            f"column label of batch.csv ('?' is unsure, '-' is skip) and run "
            f"python -m skal_deep add {campaign.path} {campaign.path / 'batch.csv'}."
        ),
        f'<ol class="sheet">{cards}</ol>',
    ]
    return page(f"{campaign.path.name}: round {number}", parts)


def _card(campaign: "CampaignFiles", name: str) -> str:
    try:
        if not isinstance(campaign.source, Folder):
            return f"<b>{escape(name)}</b><br>{escape(campaign.text(name)[:2000])}"
        image = thumbnail(campaign.read(name))
    except (OSError, ValueError) as error:
        return f"<b>{escape(name)}</b><br>cannot be shown: {escape(str(error))}"
    return f'<img alt="" src="{image}"><b>{escape(name)}</b>'


def thumbnail(content: bytes) -> str:
    """Return a small image as an address that holds all of it.

    Parameters
    ----------
    content : bytes
        An image of any kind.
    """
    image: Any = as_rgb(open_image(content))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    png = io.BytesIO()
    image.save(png, "PNG")
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
