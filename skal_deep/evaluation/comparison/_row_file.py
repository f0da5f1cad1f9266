"""The file of one job: a line for each round, each with a checksum of its own."""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, NoReturn

from skal_deep.evaluation._journal import append_lines, open_locked

_LINE = re.compile(rb'(.*), "checksum": "([0-9a-f]{16})"\}', re.DOTALL)
_REMEDY = (
    "It was damaged or changed after it was written. Delete the file, or this line and "
    "all after it: the rounds are played again."
)


class DamagedRunError(ValueError):
    """A file of a run does not hold what was written to it."""


@dataclass(frozen=True)
class RowFile:
    """The rounds of one job.

    Attributes
    ----------
    path : Path
        The file.
    strategy : str
        Name of the strategy.
    repeat : int
        Number of the repeat.
    configuration : str
        Hash of what decides the rounds.
    """

    path: Path
    strategy: str
    repeat: int
    configuration: str

    def rows(self) -> list[dict[str, Any]]:
        """Return the rounds; a last line that was cut off does not count."""
        if not check_regular(self.path).exists():
            return []
        return self._check_rows(self.path.read_bytes())

    def resume(self, n_rounds: int) -> list[dict[str, Any]]:
        """Return up to so many rounds; if fewer, a line that is not whole is cut off.

        Parameters
        ----------
        n_rounds : int
            How many are wanted.
        """
        if not check_regular(self.path).exists():
            return []
        content = self.path.read_bytes()
        rows = self._check_rows(content)
        # Opened for writing only if a round follows such a line: a finished run may lie
        # where nobody can write.
        if len(rows) < n_rounds and not content.endswith(b"\n"):
            with open_locked(self.path, os.O_RDWR) as file:
                # Read again, under the lock: another process may have been writing.
                content = file.read()
                rows = self._check_rows(content)
                file.truncate(content.rfind(b"\n") + 1)
        return rows[:n_rounds]

    def append(self, row: dict[str, Any]) -> None:
        """Add a round, and wait until it is on the disk.

        Parameters
        ----------
        row : dict
            With "strategy", "repeat", "stage", "indices" and "configuration".
        """
        check_regular(self.path)
        text = json.dumps(row)[:-1].encode()
        line = text + f', "checksum": "{_checksum(text)}"}}\n'.encode()
        append_lines(self.path, line)

    def _check_rows(self, content: bytes) -> list[dict[str, Any]]:
        """Return the rows of what a file holds, if all are what they should be."""
        *lines, tail = content.split(b"\n")
        start = json.dumps({"strategy": self.strategy, "repeat": self.repeat})
        begins = start[:-1].encode() + b', "stage": '
        # A process that was killed leaves the beginning of a line of this job. Anything
        # else after the last line break is damage.
        if tail[: len(begins)] != begins[: len(tail)]:
            self._refuse(len(lines) + 1, f"it begins with {tail[:40]!r}")
        by_stage: dict[int, tuple[int, dict[str, Any]]] = {}
        for number, line in enumerate(lines, 1):
            row = self._row(number, line)
            # Two processes may have played the same round. That does no harm, as long
            # as both chose the same rows.
            _, first = by_stage.setdefault(row["stage"], (number, row))
            if first["indices"] != row["indices"]:  # two writers write the same
                text = f"round {row['stage']} was played twice with different labels"
                self._refuse(number, text)
        if sorted(by_stage) != list(range(len(by_stage))):
            text = f"the file lacks rounds: it has {sorted(by_stage)}"
            self._refuse(len(lines), text)
        line_of: dict[int, int] = {}
        for number, row in by_stage.values():
            for index in row["indices"]:
                if index in line_of:  # no checksum says which of the two is wrong
                    text = f"row {index} of X is labelled twice"
                    again = (
                        f", again in line {number}" if number > line_of[index] else ""
                    )
                    self._refuse(line_of[index], text + again)
                line_of[index] = number
        return [by_stage[stage][1] for stage in sorted(by_stage)]

    def _row(self, number: int, line: bytes) -> dict[str, Any]:
        """Return one row, if it is whole and of this job."""
        match = _LINE.fullmatch(line)
        if match is None:
            self._refuse(number, "the line has no checksum")
        if _checksum(match[1]) != match[2].decode():
            self._refuse(number, "the line does not agree with its checksum")
        try:
            row: dict[str, Any] = json.loads(line)
        except ValueError as error:
            self._refuse(number, f"the line is no JSON ({error})")
        for name in ("strategy", "repeat", "configuration"):
            wanted = getattr(self, name)
            if row.get(name) != wanted:
                what = "the hash of the settings" if name == "configuration" else name
                text = f"{what} is {row.get(name)!r} there, and should be {wanted!r}"
                self._refuse(number, text, "It is a file of another job or run.")
        if not (_is_whole(row.get("stage")) and row["stage"] >= 0):
            self._refuse(number, f"stage is {row.get('stage')!r}")
        indices = row.get("indices")
        if not (
            isinstance(indices, list)
            and indices
            and all(_is_whole(i) and i >= 0 for i in indices)
        ):
            self._refuse(number, f"the labelled rows of X are {str(indices)[:60]}")
        return row

    def refuse_round(self, stage: int, text: str) -> None:
        """Raise because a round cannot be gone on with.

        Parameters
        ----------
        stage : int
            Which round.
        text : str
            The problem, in words.
        """
        *lines, _ = self.path.read_bytes().split(b"\n")
        numbers = (
            number
            for number, line in enumerate(lines, 1)
            if self._row(number, line)["stage"] == stage
        )
        self._refuse(next(numbers, len(lines)), text)

    def _refuse(self, number: int, text: str, hint: str = "") -> NoReturn:
        hint = f"{hint} Put the right file back, or delete it." if hint else _REMEDY
        raise DamagedRunError(f"{self.path}, line {number}: {text}. {hint}")


def check_regular(path: Path) -> Path:
    """Return a path unless something other than a file stands there.

    Parameters
    ----------
    path : Path
        A file of a run, which need not exist.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        kind = "a symbolic link" if path.is_symlink() else "no file"
        raise DamagedRunError(
            f"{path} is {kind}. The files of a run are never links, so that nothing "
            "outside it is read or written: remove it."
        )
    return path


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _checksum(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
