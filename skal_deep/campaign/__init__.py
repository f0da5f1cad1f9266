"""Labelling campaigns: from a folder of files to labels, a model, an honest error."""

from skal_deep.campaign._add import Added
from skal_deep.campaign._batch import Batch
from skal_deep.campaign._campaign import Campaign
from skal_deep.campaign._embed import Embedded
from skal_deep.campaign.honest._honest import Estimate
from skal_deep.campaign.honest._simulate import PlayedCampaign
from skal_deep.campaign.honest._status import Status
from skal_deep.campaign.store._errors import NothingToDoError
from skal_deep.campaign.store._events import SKIP, UNSURE, Event

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
