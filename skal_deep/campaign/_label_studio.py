"""Tasks for Label Studio, with what a model predicts and the order to label in."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.store._folder import Folder

if TYPE_CHECKING:
    from skal_deep.campaign._campaign_files import CampaignFiles


def config_xml(campaign: "CampaignFiles") -> str:
    """Return the labelling interface.

    Parameters
    ----------
    campaign : Campaign
        Whose classes.
    """
    is_image = isinstance(campaign.source, Folder)
    shown = (
        '<Image name="item" value="$image"/>'
        if is_image
        else '<Text name="item" value="$text"/>'
    )
    if not campaign.classes:
        return f'<View>{shown}<Number name="label" toName="item"/></View>\n'
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in campaign.classes)
    return (
        f'<View>{shown}<Choices name="label" toName="item" choice="single-radio">'
        f"{choices}</Choices></View>\n"
    )


def tasks(
    campaign: "CampaignFiles",
    ids: list[str],
    number: int,
    answers_NC: NDArray[np.float64] | None,
) -> list[dict[str, Any]]:
    """Return the tasks of a round; who picked an item is not told.

    Parameters
    ----------
    campaign : Campaign
        Whose items.
    ids : list of str
        The items in the order in which they are to be labelled.
    number : int
        Of the round.
    answers_NC : ndarray of shape (n_items, n_classes) or None
        What a model says of them: probabilities, or numbers.
    """
    return [
        {
            "data": {
                **_shown(campaign, name),
                "skal_id": name,
                "skal_round": number,
                "skal_rank": rank,
            },
            "predictions": []
            if answers_NC is None or np.isnan(answers_NC[rank]).any()
            else [_prediction(campaign.classes, number, answers_NC[rank])],
        }
        for rank, name in enumerate(ids)
    ]


def _shown(campaign: "CampaignFiles", name: str) -> dict[str, str]:
    source = campaign.source
    if not isinstance(source, Folder):
        return {"text": campaign.text(name)}
    # Relative to the folder that holds the images' folder, which the server may read.
    path = f"{source.path.resolve().name}/{campaign.place(name)}"
    escaped = quote(path.encode("utf-8", "surrogateescape"))
    return {"image": f"/data/local-files/?d={escaped}"}


def _prediction(
    classes: list[str], number: int, answer_C: NDArray[np.float64]
) -> dict[str, Any]:
    result: dict[str, Any] = {"from_name": "label", "to_name": "item"}
    version = f"round-{number}"
    if not classes:
        result |= {"type": "number", "value": {"number": float(answer_C[0])}}
        return {"model_version": version, "result": [result]}
    best = int(answer_C.argmax())
    result |= {"type": "choices", "value": {"choices": [classes[best]]}}
    # The server takes any score; its own tools refuse what is not from 0 to 1.
    score = float(min(1.0, max(0.0, answer_C[best])))
    return {"model_version": version, "score": score, "result": [result]}


def serving_lines(campaign: "CampaignFiles") -> list[str]:
    """Return what to set so that the server may read the images.

    Parameters
    ----------
    campaign : Campaign
        Whose images.
    """
    if not isinstance(campaign.source, Folder):
        return []
    folder = campaign.source.path.resolve()
    return [
        "export LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true",
        f"export LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={folder.parent}",
        f"# in the project: Settings, Cloud Storage, Local files, path {folder}",
    ]
