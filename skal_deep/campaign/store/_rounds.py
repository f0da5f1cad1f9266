"""Rounds: what was asked and how it was chosen, a file each that is written once."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.store._files import draft_of, write_once
from skal_deep.campaign.store._settings import SCHEMA

FOLDER = "rounds"
CHOSEN, CONTROL, REFEREE = ARMS = ("chosen", "control", "referee")


@dataclass(frozen=True)
class Round:
    """What was asked in one round.

    Attributes
    ----------
    content : dict
        All of the round's file.
    """

    content: dict[str, Any]

    @property
    def number(self) -> int:
        """Number of the round, from 1 on."""
        return int(self.content["round"])

    @cached_property
    def ids(self) -> list[str]:
        """Ids of the items in the order in which they are shown."""
        return [item["id"] for item in self.content["items"]]

    @cached_property
    def items(self) -> dict[str, dict[str, Any]]:
        """Each item: its arm, and how it was chosen."""
        return {item["id"]: item for item in self.content["items"]}


def read_rounds(folder: Path) -> list[Round]:
    """Return the rounds of a campaign in their order.

    Parameters
    ----------
    folder : Path
        That of the campaign.
    """
    rounds: list[Round] = []
    for path in sorted((folder / FOLDER).glob("[0-9]*.json")):
        number = len(rounds) + 1
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            is_right = _is_round(content, number)
        except (ValueError, KeyError, TypeError, RecursionError):
            is_right = False
        if not is_right:
            raise ValueError(
                f"{path} is not round {number} of a campaign of schema {SCHEMA}: it "
                "was damaged, or a round before it is missing. Rounds are never "
                "changed: put the right file back."
            )
        rounds.append(Round(content))
    return rounds


def _is_round(content: Any, number: int) -> bool:
    """Return whether a file holds all that is read of a round; it may lack a key."""
    strategy, ids = content["strategy"], [item["id"] for item in content["items"]]
    return (
        content["schema"] == SCHEMA
        and content["round"] == number
        and isinstance(content["n_train"], int)
        and isinstance(content["model"]["name"], str)
        and (strategy is None or isinstance(strategy["class"], str))
        and all(isinstance(name, str) for name in ids)
        and all(_is_item(item) for item in content["items"])
        and _is_comparison(content.get("comparison"), content["items"])
    )


def _is_item(item: dict[str, Any]) -> bool:
    said = item["said"] if item["arm"] == REFEREE else {CHOSEN: "", CONTROL: ""}
    return item["arm"] in ARMS and all(
        isinstance(said[arm], str) for arm in (CHOSEN, CONTROL)
    )


def _is_comparison(about: Any, items: list[dict[str, Any]]) -> bool:
    has_referees = any(item["arm"] == REFEREE for item in items)
    if about is None:
        return not has_referees
    return (
        isinstance(about["n_arm"], int)
        and 0 <= about["until"] <= 1
        and 0 <= about["disagreement"] <= 1
        and (about["disagreement"] > 0 or not has_referees)
    )


def write_round(folder: Path, content: dict[str, Any], proba_NC: Any) -> Round:
    """Write a round, and return it; or the one that another process wrote first.

    Parameters
    ----------
    folder : Path
        That of the campaign, whose lock must be held.
    content : dict
        What was asked, with its number as "round".
    proba_NC : ndarray of shape (n_reserved, n_classes) or None
        What the round's model says of all reserved items.
    """
    number = content["round"]
    if proba_NC is not None:  # first: a round without its model's answers is half done
        path = _control_file(folder, number)
        with draft_of(path) as draft:
            with draft.open("xb") as file:
                np.save(file, proba_NC.astype(np.float32), allow_pickle=False)
            draft.replace(path)
    path = folder / FOLDER / f"{number:04d}.json"
    write_once(path, json.dumps(content, indent=1).encode())
    return Round(json.loads(path.read_text(encoding="utf-8")))


def control_answers(folder: Path, number: int) -> NDArray[np.float32] | None:
    """Return what a round's model says of all reserved items, if it had a model.

    Parameters
    ----------
    folder : Path
        That of the campaign.
    number : int
        Of the round.
    """
    try:
        answers_NC = np.load(_control_file(folder, number), allow_pickle=False)
    except (OSError, ValueError):
        return None
    return answers_NC if answers_NC.ndim == 2 else None


def _control_file(folder: Path, number: int) -> Path:
    return folder / FOLDER / f"{number:04d}.control.npy"
