"""The page of a campaign: curve, classes, what was picked and why."""

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from skal_deep.campaign._contact_sheet import STYLE, thumbnail
from skal_deep.campaign.store._folder import Folder
from skal_deep.campaign.store._rounds import CHOSEN, CONTROL, REFEREE, Round
from skal_deep.campaign.store._state import State
from skal_deep.evaluation.report._figures import as_svg
from skal_deep.evaluation.report._page import fold, page, paragraph, table_html
from skal_deep.evaluation.report._picks import near_duplicates, usual_distance
from skal_deep.evaluation.report._table import Table

if TYPE_CHECKING:
    from skal_deep.campaign._campaign_findings import CampaignFindings

_SHOWN = 24  # items of a round
_WHY = {
    CHOSEN: "chosen",
    CONTROL: "by chance",
    REFEREE: "chosen and random labels disagree",
}


def report_page(campaign: "CampaignFindings") -> str:
    """Return where a campaign stands as a page that needs no other file.

    Parameters
    ----------
    campaign : Campaign
        The campaign.
    """
    status, state = campaign.status(), campaign.state()
    content = status.to_dict()
    said = "cannot tell" if content["advice"] == "unclear" else content["advice"]
    parts = [
        STYLE,
        paragraph(f"Advice: {said}.", "answer"),
        paragraph(f"{content['reason']}."),
        f"<pre>{escape(str(status))}</pre>",
    ]
    if content["rounds"]:
        parts += [
            "<h2>Error on control labels</h2>",
            as_svg(
                partial(_curve, content["rounds"]),
                "curve",
                "Error of each round's model on control labels, with 95 % intervals.",
            ),
            paragraph(
                "Each round's model on all control labels, which chance picked and no "
                "model was trained on. Bars are exact 95 % intervals."
            ),
        ]
    if classes := content["classes"]:
        rows = [{"class": name, "labels": count} for name, count in classes.items()]
        parts += ["<h2>Labels of each class</h2>", table_html(Table(rows), "matrix")]
    parts += ["<h2>What was asked, and why</h2>", *_duplicates(campaign, state)]
    is_open = state.open_round is not None
    for one in reversed(state.rounds):
        if one is state.rounds[-1] and is_open:
            parts.append(paragraph(f"Round {one.number} is not finished."))
        else:
            parts.append(_round(campaign, state, one))
    return page(f"Campaign {campaign.path.name}", parts)


def _duplicates(campaign: "CampaignFindings", state: State) -> list[str]:
    """Return how many of the chosen items are nearly equal to another one."""
    chosen = [name for name, arm in state.arms.items() if arm == CHOSEN]
    if len(chosen) < 2 or not campaign.has_features:
        return []
    X, _, ids = campaign.data()
    row_of = {name: row for row, name in enumerate(ids)}
    rows = np.array([row_of[name] for name in chosen if name in row_of], dtype=np.intp)
    radius = usual_distance(X, np.random.default_rng(0))
    share = near_duplicates(X, [[rows[:0], rows]], radius)
    return [
        paragraph(
            f"Near-duplicates: {100 * share:.0f} % of the chosen items lie closer to "
            "another chosen one than items usually lie to the one nearest to them."
        )
    ]


def _curve(rows: list[dict[str, Any]]) -> Any:
    """Return a figure of the errors over rounds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    ax = figure.subplots()
    labels = [row["labels"] for row in rows]
    errors = [row["error"] for row in rows]
    ax.plot(labels, errors, marker="o")
    bars = [row for row in rows if row["low"] is not None]
    if bars:
        ax.vlines(
            [row["labels"] for row in bars],
            [row["low"] for row in bars],
            [row["high"] for row in bars],
            alpha=0.5,
        )
    ax.set(xlabel="labels that trained", ylabel="error", ylim=(0, None))
    return figure


def _round(campaign: "CampaignFindings", state: State, one: Round) -> str:
    """Return a round: its strategy, and its items with what was thought of them."""
    strategy = one.content["strategy"]
    name = "chance" if strategy is None else strategy["class"].rpartition(".")[2]
    cards = []
    for item in sorted(one.ids, key=lambda n: one.items[n].get("rank", 10**9))[:_SHOWN]:
        about = one.items[item]
        utility = about.get("utility")
        why = _WHY[about["arm"]]
        why += "" if utility is None else f", utility {utility:.3g}"
        label = state.labels.label.get(item, "no label")
        cards.append(
            f"<li>{_picture(campaign, item)}<b>{escape(str(label))}</b><br>"
            f"{escape(item)}<br>{escape(why)}</li>"
        )
    more = len(one.ids) - len(cards)
    title = f"Round {one.number}: {len(one.ids)} items, {name}" + (
        f" ({more} not shown)" if more else ""
    )
    return fold(title, f'<ol class="sheet">{"".join(cards)}</ol>')


def _picture(campaign: "CampaignFindings", item: str) -> str:
    try:
        if not isinstance(campaign.source, Folder):
            return f"{escape(campaign.text(item)[:300])}<br>"
        return f'<img alt="" src="{thumbnail(campaign.read(item))}">'
    except (OSError, ValueError):
        return "(cannot be shown)<br>"
