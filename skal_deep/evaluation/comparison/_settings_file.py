"""A file of settings: created once by one process, never changed."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

from skal_deep.evaluation.comparison._row_file import DamagedRunError, check_regular


def read_settings(path: Path) -> dict[str, Any]:
    """Return what a file of settings holds."""
    try:
        values = json.loads(check_regular(path).read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        if isinstance(error, DamagedRunError):
            raise
        line = getattr(error, "lineno", 1)
        raise DamagedRunError(
            f"{path}, line {line}: the file was damaged ({error}). Put it back as it "
            "was, or use another run_dir."
        ) from error
    if not isinstance(values, dict):
        raise DamagedRunError(
            f"{path}, line 1: the file was damaged, as it holds no settings. Put it "
            "back as it was, or use another run_dir."
        )
    return values


def create_settings(path: Path, values: dict[str, Any]) -> bool:
    """Write a file of settings in one step, unless there is one; return if it did."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            f"The run_dir {path.parent} cannot be a directory: there is a file in "
            "its place."
        ) from error
    if check_regular(path).exists():
        return False
    # Written under another name first: where the file system has links, nobody ever
    # reads half a file.
    text, draft = json.dumps(values, indent=1), path.with_name(f".{uuid4().hex}")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a renamed file, never in place of another
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if not draft.exists() or draft.stat().st_size < len(text):
            raise
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            return False
    finally:
        draft.unlink(missing_ok=True)
    return True
