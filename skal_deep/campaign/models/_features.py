"""Features of items on disk: one row an item, mapped into memory, made once."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.store._errors import NoFeaturesError
from skal_deep.campaign.store._files import digest_of_ids, replace
from skal_deep.campaign.store._items import Items

FOLDER = "features"


@dataclass(frozen=True)
class FeatureFile:
    """Features of one kind.

    Attributes
    ----------
    folder : Path
        That of the campaign.
    name : str
        Name of the features.
    """

    folder: Path
    name: str

    @property
    def array_path(self) -> Path:
        """The array."""
        return self.folder / FOLDER / f"{self.name}.npy"

    @property
    def about_path(self) -> Path:
        """What is known of it."""
        return self.folder / FOLDER / f"{self.name}.json"

    def about(self) -> dict[str, Any] | None:
        """Return what is known of the array, or nothing if there is none."""
        try:
            about = json.loads(self.about_path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return about if isinstance(about, dict) and _is_about(about) else None

    def array(self, mode: Any = "r") -> NDArray[Any] | None:
        """Return the array, mapped into memory, or nothing if there is none.

        Parameters
        ----------
        mode : {"r", "r+"}, default="r"
            Whether it is written, too.
        """
        try:
            stored: NDArray[Any] = np.load(
                self.array_path, mmap_mode=mode, allow_pickle=False
            )
        except (OSError, ValueError, EOFError):
            return None
        return stored if stored.ndim == 2 and stored.dtype.kind == "f" else None

    def write_about(self, about: dict[str, Any]) -> None:
        """Write what is known; the array must be on the disk.

        Parameters
        ----------
        about : dict
            The specification as "features", "ids_digest" of the "done" first rows,
            "broken" rows.
        """
        replace(self.about_path, json.dumps(about).encode())

    def read(self, items: Items) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return features of all items, and which of them have any.

        Parameters
        ----------
        items : Items
            The items of the campaign.
        """
        about = self.about()
        hint = f"run `python -m skal_deep embed {self.folder}`"
        if about is None:
            raise NoFeaturesError(
                f"There are no features {self.name!r} of {self.folder} yet: {hint} "
                "--features pixels (tfidf for texts)."
            )
        done = int(about["done"])
        if done > len(items) or digest_of_ids(items.ids[:done]) != about["ids_digest"]:
            raise ValueError(
                f"{self.about_path} is about other items than those of the campaign: "
                f"delete it, and {hint} again."
            )
        stored_ND = self.array()
        if stored_ND is None or done > len(stored_ND):
            raise ValueError(
                f"{self.array_path} should hold an array of numbers with {done} rows, "
                f"and does not: {hint} again."
            )
        has = np.zeros(len(items), dtype=bool)
        has[:done] = True
        has[about.get("broken", [])] = False
        features_ND = np.zeros((len(items), stored_ND.shape[1]), dtype=np.float32)
        features_ND[:done] = stored_ND[:done]
        return features_ND, has


def _is_about(about: dict[str, Any]) -> bool:
    """Return whether all that is read of a file can be used."""
    done, broken = about.get("done"), about.get("broken", [])
    return (
        isinstance(about.get("features"), str)
        and isinstance(about.get("settings", {}), dict)
        and isinstance(done, int)
        and isinstance(broken, list)
        and all(isinstance(row, int) and 0 <= row < done for row in broken)
    )
