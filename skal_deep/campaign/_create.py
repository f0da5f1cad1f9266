"""The beginning of a campaign: its folder, its items, what chance keeps for itself."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from skal_deep.campaign.store._array import Embeddings
from skal_deep.campaign.store._control import control_keys, fresh_for, reserve_for
from skal_deep.campaign.store._files import lock
from skal_deep.campaign.store._find_source import SourceArguments, source_of
from skal_deep.campaign.store._items import Items
from skal_deep.campaign.store._settings import (
    CLASSIFICATION,
    NAME,
    REGRESSION,
    SCHEMA,
    Settings,
    check_budget,
    check_classes,
    now,
    versions,
)
from skal_deep.campaign.store._source import Source


def create_campaign(
    folder: Path,
    arguments: SourceArguments,
    classes: list[str] | None,
    numbers: bool,
    budget: int,
    control_share: float,
    reserve: float | None,
    referee_share: float,
    seed: int,
) -> None:
    """Write the files that a campaign begins with.

    Parameters
    ----------
    folder : Path
        Folder to make.
    arguments : SourceArguments
        Where the items are.
    classes : list of str or None
        Names of the classes.
    numbers : bool
        Whether labels are numbers.
    budget : int
        How many labels may be asked for.
    control_share : float
        Share of each batch that chance picks.
    reserve : float, int or None
        How many items are kept for chance, or which share of all.
    referee_share : float
        Share of each batch that judges whether choosing helps.
    seed : int
        Seed of everything that is drawn, but for the control arm.
    """
    if (folder / NAME).exists():
        raise FileExistsError(
            f"There is a campaign in {folder} already: open it with "
            f"Campaign({str(folder)!r})."
        )
    if numbers == (classes is not None):
        raise ValueError(
            "Labels are classes or numbers: pass classes=[...] (--classes a,b,c) "
            "or numbers=True (--numbers), one of the two."
        )
    if not 0 <= control_share < 1:
        raise ValueError(
            f"control_share must be from 0 to below 1, not {control_share!r}."
        )
    if not 0 <= referee_share < 1 - control_share:
        raise ValueError(
            "referee_share must be from 0 to below 1 - control_share, not "
            f"{referee_share!r}."
        )
    if referee_share and (numbers or not control_share):
        raise ValueError(
            "Referees judge which of two classes is right, and one of them is that of "
            "a model of control labels: referee_share needs classes and a "
            "control_share above 0."
        )
    kind, source = arguments.described(folder)
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "task": REGRESSION if numbers else CLASSIFICATION,
        "classes": [] if classes is None else check_classes(classes),
        "kind": kind,
        "source": source,
        "missing": "refuse",
        "salt": secrets.token_hex(16),
        "seed": int(seed),
        "budget": check_budget(budget),
        "control": {"share": float(control_share), "reserve": 0.0},
        "features": {"table": "table", "embeddings": "embeddings"}.get(kind),
        "model": {"name": "probe", "set": {}},
        "created": now(),
        "versions": versions(),
    }
    with _made(folder), lock(folder):
        if (folder / NAME).exists():
            raise FileExistsError(f"There is a campaign in {folder} already.")
        settings = Settings(content)
        where = source_of(settings, folder)
        items = Items.empty().updated(where.look(), 0)
        if not len(items):
            raise ValueError(
                f"There is nothing to label in {folder / source['path']}: "
                f"{len(where.unreadable)} items cannot be read."
            )
        keys = control_keys(settings.salt, items.ids)
        threshold = reserve_for(keys, control_share, budget, reserve)
        control = {"share": float(control_share), "reserve": threshold}
        if referee_share:
            fresh = fresh_for(keys, referee_share, budget, threshold)
            control |= {"referees": float(referee_share), "fresh": fresh}
        settings = settings.changed(control=control)
        settings = pinned(settings, where)
        items.write(folder)
        settings.write(folder)  # last: without it there is no campaign


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder; take it away if no campaign comes of it."""
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            f"A campaign is a folder, and in the place of {folder} or of a folder "
            "above it is a file: give it another name."
        ) from error
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):  # another process may have begun one in it
                (folder / ".lock").unlink()
                folder.rmdir()
        raise


def pinned(settings: Settings, source: Source) -> Settings:
    """Return settings that know an array again: by its digest, if rows have no ids.

    Parameters
    ----------
    settings : Settings
        Those of a campaign.
    source : Source
        Where its items are.
    """
    if not isinstance(source, Embeddings):
        return settings
    known: dict[str, Any] = {"stat": source.stat()}
    if settings.source.get("ids") is None:
        n_rows = len(source.array)
        known |= {"rows": n_rows, "digest": source.digest_of_rows(n_rows)}
    return settings.changed(source={**settings.source, **known})
