"""What was decided when a campaign began: campaign.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from skal_deep.campaign.store._files import replace
from skal_deep.rows._label_array import look_alikes

SCHEMA = 1
NAME = "campaign.json"
CLASSIFICATION, REGRESSION = "classification", "regression"
KINDS = ("image", "text", "table", "embeddings")


def now() -> str:
    """Return the time, as files of a campaign write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def versions() -> dict[str, str]:
    """Return the versions that decide what a model predicts."""
    return {"skal_deep": version("skal-deep"), "scikit-learn": version("scikit-learn")}


@dataclass(frozen=True)
class Settings:
    """What was decided when a campaign began.

    Attributes
    ----------
    content : mapping
        All of campaign.json; what is not known is kept.
    """

    content: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Settings":
        """Return the settings of a campaign.

        Parameters
        ----------
        folder : Path
            That of the campaign.
        """
        path = folder / NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(
                f"There is no campaign in {folder}: {path} is missing. Make one with "
                f"`python -m skal_deep init {folder} --images FOLDER --classes a,b "
                "--budget N`."
            ) from error
        except ValueError as error:
            raise ValueError(
                f"{path} is no JSON ({error}): put the right file back."
            ) from error
        schema = content.get("schema") if isinstance(content, dict) else None
        if not isinstance(schema, int) or schema < SCHEMA:
            raise ValueError(
                f"{path} has schema {schema!r}, and the first that there was is "
                f"{SCHEMA}: it is no file of a campaign, or was changed by hand."
            )
        if schema > SCHEMA:
            written = content.get("versions")
            needed = "a later version of skal_deep"
            if isinstance(written, dict) and "skal_deep" in written:
                needed = f"skal_deep {written['skal_deep']} or later"
            raise ValueError(
                f"{path} has schema {schema}, and this version reads {SCHEMA}: "
                f"install {needed}."
            )
        for name, is_right in _checks(content).items():
            if not is_right:
                raise ValueError(
                    f"{path}: {name!r} cannot be {content.get(name)!r}. Put the right "
                    "file back, or what stood there."
                )
        return cls(content)

    def write(self, folder: Path) -> None:
        """Write the settings; the campaign's lock must be held.

        Parameters
        ----------
        folder : Path
            That of the campaign.
        """
        text = json.dumps(dict(self.content), indent=1)
        replace(folder / NAME, text.encode())

    def changed(self, **values: Any) -> "Settings":
        """Return settings with other values.

        Parameters
        ----------
        **values : object
            By name.
        """
        return Settings({**self.content, **values})

    @property
    def is_regression(self) -> bool:
        """Whether labels are numbers."""
        return bool(self.content["task"] == REGRESSION)

    @property
    def classes(self) -> list[str]:
        """Names of the classes; none for a regression."""
        return list(self.content.get("classes") or [])

    @property
    def kind(self) -> str:
        """What an item is: "image", "text", "table" or "embeddings"."""
        return str(self.content["kind"])

    @property
    def source(self) -> dict[str, Any]:
        """Where the items are."""
        return dict(self.content["source"])

    @property
    def salt(self) -> str:
        """What the keys of the control arm are made with."""
        return str(self.content["salt"])

    @property
    def seed(self) -> int:
        """Seed of everything that is drawn."""
        return int(self.content["seed"])

    @property
    def budget(self) -> int:
        """How many labels may be asked for."""
        return int(self.content["budget"])

    @property
    def control_share(self) -> float:
        """Which share of each batch chance picks."""
        return float(self.content["control"]["share"])

    @property
    def reserve(self) -> float:
        """The key below which items are reserved."""
        return float(self.content["control"]["reserve"])

    @property
    def referee_share(self) -> float:
        """Which share of each batch judges whether choosing helps; mostly none."""
        return float(self.content["control"].get("referees", 0))

    @property
    def fresh(self) -> float:
        """Items with a key of one less this, or larger, are kept for referees."""
        return float(self.content["control"].get("fresh", 0))

    @property
    def features(self) -> str | None:
        """Name of the features that strategies and models see."""
        return self.content.get("features")

    @property
    def model(self) -> dict[str, Any]:
        """The model of the campaign: its name, and what is set."""
        return dict(self.content.get("model") or {"name": "probe", "set": {}})


def _checks(content: Mapping[str, Any]) -> dict[str, bool]:
    """Return of each field that is read whether it can be used."""
    control, source = content.get("control"), content.get("source")
    model, features = content.get("model"), content.get("features")
    classes = content.get("classes")
    is_regression = content.get("task") == REGRESSION
    return {
        "task": is_regression or content.get("task") == CLASSIFICATION,
        "classes": (is_regression and not classes)
        or (
            isinstance(classes, list)
            and len({name for name in classes if isinstance(name, str)}) >= 2
            and len(set(map(str, classes))) == len(classes)
        ),
        "kind": content.get("kind") in KINDS,
        "source": isinstance(source, dict)
        and source.get("type") in ("folder", "csv", "npy")
        and isinstance(source.get("path"), str),
        "salt": isinstance(content.get("salt"), str),
        "seed": isinstance(content.get("seed"), int),
        "budget": _is_whole(content.get("budget"), 1),
        "control": isinstance(control, dict)
        and all(_is_share(control.get(name)) for name in ("share", "reserve"))
        and all(_is_share(control.get(name, 0)) for name in ("referees", "fresh")),
        # A name of a file, so that it cannot lead out of the campaign's folder.
        "features": features is None
        or (isinstance(features, str) and Path(features).name == features),
        "model": not model
        or (
            isinstance(model, dict)
            and isinstance(model.get("name"), str)
            and isinstance(model.get("set") or {}, dict)
        ),
    }


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def check_classes(classes: list[str]) -> list[str]:
    """Return names of classes, if they can be such.

    Parameters
    ----------
    classes : list of str
        Two or more names, all different.
    """
    names = [str(name).strip() for name in classes]
    if len(names) < 2:
        raise ValueError(
            f"A campaign needs two classes or more, not {names}; for numbers pass "
            "numbers=True (--numbers)."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"Two classes have the same name: {names}.")
    if said := look_alikes(names):
        raise ValueError(said)
    for name in names:
        if not name or not name.isprintable() or name in ("?", "-"):
            raise ValueError(
                f"{name!r} cannot be the name of a class: it must have letters or "
                "digits that can be printed; '?' and '-' stand for unsure and skip."
            )
    return names


def check_budget(budget: int) -> int:
    """Return a number of labels, if it can be one.

    Parameters
    ----------
    budget : int
        How many labels may be asked for.
    """
    if not _is_whole(budget, 1):
        raise ValueError(f"budget must be a whole number from 1 up, not {budget!r}.")
    return budget
