"""Labelling campaigns: from a folder of files to labels, a model, an honest error."""

from skal_deep.campaign._add import Added
from skal_deep.campaign._batch import Batch
from skal_deep.campaign._campaign import Campaign
from skal_deep.campaign._embed import Embedded
from skal_deep.campaign._errors import NothingToDoError
from skal_deep.campaign._events import SKIP, UNSURE, Event
from skal_deep.campaign._honest import Estimate
from skal_deep.campaign._simulate import PlayedCampaign
from skal_deep.campaign._status import Status

__all__ = [
    "Added",
    "Batch",
    "Campaign",
    "Embedded",
    "Estimate",
    "Event",
    "NothingToDoError",
    "PlayedCampaign",
    "SKIP",
    "Status",
    "UNSURE",
]
