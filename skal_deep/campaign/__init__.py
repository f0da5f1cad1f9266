"""Labelling campaigns: from a folder of files to labels, a model, an honest error."""

from skal_deep.campaign._batch import Batch
from skal_deep.campaign._campaign import Campaign
from skal_deep.campaign._errors import NothingToDoError
from skal_deep.campaign._events import SKIP, UNSURE, Event

__all__ = ["Batch", "Campaign", "Event", "NothingToDoError", "SKIP", "UNSURE"]
