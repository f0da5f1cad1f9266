"""A run on disk: what decides it, and a line for each round.

::

    run_dir/configuration.json       what decides all rounds: data, estimator, seed
    run_dir/<name>/strategy.json     what decides those of one strategy
    run_dir/<name>/<repeat>.jsonl    one line for each round

One job writes one file, a whole line at a time, so that it may be killed at any moment
and go on anywhere that sees the directory.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

from skal_deep.classifier import as_seed
from skal_deep.evaluation._configuration import (
    configuration_of,
    described,
    difference,
    digest,
    fingerprint,
)

_COMMON, _STRATEGY = "configuration.json", "strategy.json"


@dataclass(frozen=True)
class RunDirectory:
    """Where a run is kept.

    Attributes
    ----------
    path : Path
        Its directory.
    """

    path: Path

    def configuration(self) -> dict[str, Any] | None:
        """Return what decides all rounds; ``None`` if there is no run yet."""
        path = self.path / _COMMON
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def agree(
        self, common: dict[str, Any], strategies: dict[str, dict[str, Any]]
    ) -> None:
        """Store the configuration of a run, or check it against what is stored.

        Strategies that are not there yet are added.

        Parameters
        ----------
        common : dict
            What decides all rounds.
        strategies : dict of str to dict
            What decides those of each strategy.

        Raises
        ------
        ValueError
            If the run was made otherwise; the differences are shown.
        """
        begun = {name for name, _ in self.jobs()}
        self._agree(self.path / _COMMON, common, bool(begun))
        for name, own in strategies.items():
            path = self._of(name) / _STRATEGY
            self._agree(path, {"name": name, **own}, name in begun)

    def _agree(self, path: Path, wanted: dict[str, Any], is_begun: bool) -> None:
        """Compare with what is stored; before the first round it may still change."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise NotADirectoryError(
                f"The run_dir {path.parent} cannot be a directory: there is a file in "
                "its place."
            ) from error
        if not (is_begun and path.exists()):
            _write(path, json.dumps(wanted, indent=1))
        stored = json.loads(path.read_text("utf-8"))
        if lines := difference(stored, wanted):
            raise ValueError(
                f"The run in {self.path} was made otherwise:\n  "
                + "\n  ".join(lines)
                + "\nGo on as it was made, use another run_dir, or `replay` the run "
                "to score its selections with another metric or model."
            )

    def hash_of(self, name: str) -> str:
        """Return a hash of all that decides the rounds of a strategy.

        Parameters
        ----------
        name : str
            Name of the strategy.
        """
        path = self._of(name) / _STRATEGY
        strategy = json.loads(path.read_text("utf-8"))
        return digest({"common": self.configuration(), "strategy": strategy})

    def jobs(self) -> list[tuple[str, int]]:
        """Return strategy and repeat of each job that has begun."""
        files = self.path.glob("*/*.jsonl")
        return sorted((unquote(file.parent.name), int(file.stem)) for file in files)

    def resume(self, name: str, repeat: int) -> list[dict[str, Any]]:
        """Return the rounds of a job that is to go on, and mend its file.

        Parameters
        ----------
        name : str
            Name of the strategy.
        repeat : int
            Number of the repeat.
        """
        path = self._job(name, repeat)
        if path.exists():
            with path.open("r+b") as file:
                file.truncate(len(_whole_lines(file.read())))
        return self.rows(name, repeat)

    def rows(self, name: str, repeat: int) -> list[dict[str, Any]]:
        """Return the rounds of a job; a last line that was cut off does not count.

        Parameters
        ----------
        name : str
            Name of the strategy.
        repeat : int
            Number of the repeat.
        """
        path = self._job(name, repeat)
        if not path.exists():
            return []
        by_stage: dict[int, dict[str, Any]] = {}
        for line in _whole_lines(path.read_bytes()).splitlines():
            row = json.loads(line)
            by_stage.setdefault(row["stage"], row)  # two writers write the same
        if list(by_stage) != list(range(len(by_stage))):
            raise ValueError(f"{path} lacks rounds: it has {list(by_stage)}.")
        return list(by_stage.values())

    def append(self, row: dict[str, Any]) -> None:
        """Add a round to its job, and wait until it is on the disk.

        Parameters
        ----------
        row : dict
            With "strategy", "repeat" and "stage".
        """
        line = json.dumps(row) + "\n"
        with self._job(row["strategy"], row["repeat"]).open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def _of(self, name: str) -> Path:
        return self.path / quote(name, safe=" ").replace(".", "%2E")

    def _job(self, name: str, repeat: int) -> Path:
        return self._of(name) / f"{repeat}.jsonl"


def begin(
    run: RunDirectory,
    learner: Any,
    named: dict[str, Any],
    data: dict[str, Any],
    random_state: Any,
) -> int:
    """Write down what decides a run, or check that it is the same; return its seed.

    Parameters
    ----------
    run : RunDirectory
        Where it is kept.
    learner : SimulatedActiveLearner
        How it is played.
    named : dict of str to object
        Strategies, or what else has rounds of its own.
    data : dict of str to array-like
        On what it is played.
    random_state : int, RandomState or None
        Its seed; ``None`` is that of the run, or a fresh one.
    """
    stored = run.configuration()
    if random_state is None and stored is not None:
        random_state = stored["random_state"]
    seed = as_seed(random_state)
    prints = {
        name: None if value is None else fingerprint(value)
        for name, value in data.items()
    }
    common = configuration_of(learner) | prints | {"random_state": seed}
    run.agree(common, {name: described(each) for name, each in named.items()})
    return seed


def _whole_lines(content: bytes) -> bytes:
    """Return what a file holds up to the end of its last whole line."""
    return content[: content.rfind(b"\n") + 1]


def _write(path: Path, text: str) -> None:
    """Write a file in one step: others see all of it or nothing."""
    draft = path.with_name(f".{uuid4().hex}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
