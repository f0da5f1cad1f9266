"""Features of all items, computed once; a process that was killed loses little."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from skal_deep.campaign.models._extractors import Extractor
from skal_deep.campaign.models._features import FOLDER, FeatureFile
from skal_deep.campaign.store._files import digest, digest_of_ids, draft_of, lock
from skal_deep.campaign.store._folder import Folder
from skal_deep.campaign.store._images import open_image
from skal_deep.campaign.store._items import Items

if TYPE_CHECKING:
    from skal_deep.campaign._campaign_files import CampaignFiles

_PIXELS = 50e6  # of a pass: 64 photos of a phone, decoded at once, are 9 GB
_SECONDS = 5.0  # between two writings: what a process that is killed may lose


@dataclass(frozen=True)
class Embedded:
    """What ``Campaign.embed`` did.

    Use it to see whether all items were read.

    Attributes
    ----------
    features : str
        Name of the features.
    rows : int
        Items of the campaign.
    done : int
        Items that were gone through.
    broken : list of str
        Ids of items that cannot be read.

    See Also
    --------
    Campaign : Computes features.
    skal_deep.embedding.Embedder : The same in a Pipeline.

    Examples
    --------
    >>> from skal_deep.campaign import Embedded
    >>> Embedded("pixels", rows=3, done=3, broken=["cut.png"]).broken
    ['cut.png']
    """

    features: str
    rows: int
    done: int
    broken: list[str]


def embed_items(
    campaign: "CampaignFiles",
    extractor: Extractor,
    file: FeatureFile,
    spec: str,
    batch_size: int,
    max_pixels: float,
    report: Callable[[int, int], None] | None,
) -> Embedded:
    """Compute the features that are missing.

    Parameters
    ----------
    campaign : CampaignFiles
        Whose items.
    extractor : Extractor
        What computes them.
    file : FeatureFile
        Where they go.
    spec : str
        What the user asked for.
    batch_size : int
        Items a pass.
    max_pixels : float
        Larger images count as broken.
    report : callable or None
        Is told how many of how many items are done.
    """
    items = campaign.items
    about = _usable(file, items, spec)
    start, broken = int(about["done"]), set(about.get("broken", []))
    extractor.settings = dict(about.get("settings", {}))
    changed = [
        row for row in range(start) if not items.digests[row] and not items.gone[row]
    ]
    todo = changed + list(range(start, len(items)))
    if extractor.sees_all:  # each item shapes all features
        todo = list(range(len(items))) if todo else []
    array: Any = _grown(file, len(items), start) if start else None
    digests: dict[int, str] = {}
    done, told = start, time.monotonic()
    step = max(len(todo), 1) if extractor.sees_all else batch_size
    at = 0
    while at < len(todo):
        fine, values, n_pixels = [], [], 0
        start_of_pass = at
        while at < min(start_of_pass + step, len(todo)) and n_pixels < _PIXELS:
            row, at = todo[at], at + 1
            value, mark = _read(campaign, items, row, extractor.takes, max_pixels)
            if mark:
                digests[row] = mark
            broken.discard(row)
            if value is None:
                broken.add(row)
            else:
                fine.append(row)
                values.append(value)
                n_pixels += value.width * value.height if hasattr(value, "width") else 0
        if fine:
            made_ND = extractor(values)
            if not np.isfinite(made_ND).all():
                raise ValueError(
                    f"{spec} returned NaN or infinite numbers, among the items "
                    f"{items.ids[fine[0]]!r} to {items.ids[fine[-1]]!r}."
                )
            if array is None or (extractor.sees_all and start):
                array = _new(file, (len(items), made_ND.shape[1]), extractor.dtype)
            array[fine] = made_ND
        done = max(done, row + 1)
        if report is not None:
            report(done, len(items))
        if time.monotonic() - told > _SECONDS or at == len(todo):
            if array is not None:
                array.flush()
                _keep(campaign, file, spec, extractor, items, done, broken, digests)
            told = time.monotonic()
    if array is None and todo:
        raise ValueError(
            f"None of the {len(items)} items can be read: is {campaign.path} about the "
            "right folder?"
        )
    return Embedded(
        file.name, len(items), done, [items.ids[row] for row in sorted(broken)]
    )


def _usable(file: FeatureFile, items: Items, spec: str) -> dict[str, Any]:
    """Return what is known of features that can be gone on with."""
    about = file.about()
    nothing = {"done": 0, "broken": []}
    if about is None:
        return nothing
    if about.get("features") != spec:
        raise ValueError(
            f"{file.array_path} holds features of {about.get('features')!r}, and not "
            f"of {spec!r}, which have the same name: delete it to compute them anew."
        )
    done, stored = int(about["done"]), file.array()
    if stored is None or done > len(stored):
        return nothing
    if done > len(items) or digest_of_ids(items.ids[:done]) != about["ids_digest"]:
        return nothing
    return about


def _read(
    campaign: "CampaignFiles", items: Items, row: int, takes: str, max_pixels: float
) -> tuple[Any, str]:
    """Return what an extractor takes of an item, or nothing; and its digest."""
    source, place = campaign.source, items.places[row]
    if items.gone[row]:
        return None, ""
    try:
        content = source.read(place)
    except OSError:
        return None, ""
    mark = digest(content)
    if not isinstance(source, Folder):
        is_array = campaign.kind == "embeddings"
        value: Any = (
            source.array[int(place)]  # type: ignore[attr-defined]
            if is_array
            else campaign.text(items.ids[row])
        )
        return value, mark
    try:
        image = open_image(content, max_pixels)
    except ValueError:
        return None, mark
    return (str(source.file(place)) if takes == "any" else image), mark


def _new(file: FeatureFile, shape: tuple[int, int], dtype: str) -> NDArray[Any]:
    """Return an empty array on disk; what was there before counts no more."""
    file.about_path.unlink(missing_ok=True)
    with draft_of(file.array_path) as draft:
        made: NDArray[Any] = open_memmap(draft, "w+", dtype=dtype, shape=shape)
        draft.replace(file.array_path)  # the map goes on with the renamed file
    return made


def _grown(file: FeatureFile, n_rows: int, done: int) -> NDArray[Any]:
    """Return the array on disk with room for all items."""
    old: Any = file.array("r+")
    if len(old) >= n_rows:
        grown: NDArray[Any] = old
        return grown
    with draft_of(file.array_path) as draft:
        grown = open_memmap(draft, "w+", old.dtype, (n_rows, old.shape[1]))
        grown[:done] = old[:done]
        grown.flush()
        draft.replace(file.array_path)
    return grown


def _keep(
    campaign: "CampaignFiles",
    file: FeatureFile,
    spec: str,
    extractor: Extractor,
    items: Items,
    done: int,
    broken: Sequence[int] | set[int],
    digests: dict[int, str],
) -> None:
    """Write down what is done, and the digests of what was read."""
    file.write_about(
        {
            "features": spec,
            "done": done,
            "ids_digest": digest_of_ids(items.ids[:done]),
            "broken": sorted(broken),
            "settings": extractor.settings,
        }
    )
    with lock(campaign.path):
        now = campaign.items
        new = {
            now.row_of[items.ids[row]]: mark
            for row, mark in digests.items()
            if now.digests[now.row_of[items.ids[row]]] != mark
        }
        if new:
            now.with_digests(new).write(campaign.path)
    digests.clear()


def lock_features(file: FeatureFile) -> Any:
    """Let one process at a time compute the same features.

    Parameters
    ----------
    file : FeatureFile
        Which ones.
    """
    folder = file.folder / FOLDER
    folder.mkdir(exist_ok=True)
    return lock(folder)
