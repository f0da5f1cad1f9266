"""A run on disk: what decides it, and a line for each round.

::

    run_dir/configuration.json       what decides all rounds: data, estimator, seed
    run_dir/<name>/strategy.json     what decides those of one strategy
    run_dir/<name>/<repeat>.jsonl    one line for each round

One job writes one file, a whole line at a time, so that it may be killed at any moment
and go on anywhere that sees the directory. What is read is checked: each line by its
checksum, and by the hash of the configuration it was played with.
"""

import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from skal_deep.evaluation.comparison._configuration import difference
from skal_deep.evaluation.comparison._row_file import (
    DamagedRunError,
    RowFile,
    check_regular,
)
from skal_deep.evaluation.comparison._settings_file import (
    create_settings,
    read_settings,
)
from skal_deep.identity._values import digest

COMMON, CODE, _STRATEGY = "configuration.json", "code", "strategy.json"


@dataclass(frozen=True)
class RunDirectory:
    """Where a run is kept.

    Attributes
    ----------
    path : Path
        Its directory.
    agreed : dict of Path to dict
        What the files say that decide the rounds, if :meth:`agree` was called.
    created : tuple of Path
        Those of them that were not there before.
    """

    path: Path
    agreed: dict[Path, dict[str, Any]] = field(default_factory=dict)
    created: tuple[Path, ...] = ()

    def configuration(self) -> dict[str, Any] | None:
        """Return what decides all rounds; ``None`` if there is no run yet."""
        path = self.path / COMMON
        return read_settings(path) if check_regular(path).exists() else None

    def agree(
        self,
        common: dict[str, Any],
        strategies: dict[str, dict[str, Any]],
        same_code: bool = False,
    ) -> "RunDirectory":
        """Store the configuration of a run, or check it against what is stored.

        Strategies that are not there yet are added. A file that decides is created by
        one process and never changed, so that two processes cannot each take the run
        for theirs.

        Parameters
        ----------
        common : dict
            What decides all rounds.
        strategies : dict of str to dict
            What decides those of each strategy.
        same_code : bool, default=False
            Whether the user's own code counts as that of the run, though it changed.

        Returns
        -------
        run : RunDirectory
            The same, which knows what was agreed upon.

        Raises
        ------
        ValueError
            If the run was made otherwise; the differences are shown.
        """
        begun = {name for name, _ in self.jobs()}
        path = self.path / COMMON
        if begun and not check_regular(path).exists():
            raise DamagedRunError(
                f"{self.path} has rounds, but no {COMMON} that says how they were "
                "played. Put it back, or use another run_dir."
            )
        agreed: dict[Path, dict[str, Any]] = {}
        wanted = {path: common}
        for name, own in strategies.items():
            wanted[self._of(name) / _STRATEGY] = {"name": name, **own}
            self._check_file_of(name, name in begun)
        # Two passes: compare everything first, then create. So a run that is refused
        # leaves no new files behind.
        for path, values in wanted.items():
            if check_regular(path).exists():  # nothing is created if one differs
                self._same(path, values, same_code)
        run = self
        for path, values in wanted.items():
            is_new = create_settings(path, values)
            run = replace(run, created=(*run.created, path) if is_new else run.created)
            try:
                # Another process may have created the file between the two passes, so
                # what is there is compared again.
                stored = values if is_new else run._same(path, values, same_code)
            except ValueError:
                run.forget_unplayed()
                raise
            agreed[path] = stored
        return replace(run, agreed=agreed)

    def _check_file_of(self, name: str, is_begun: bool) -> None:
        path = self._of(name) / _STRATEGY
        if is_begun and not check_regular(path).exists():
            raise DamagedRunError(
                f"{path.parent} has rounds, but no {_STRATEGY} that says how they were "
                "played. Put it back, or delete the rounds."
            )

    def _same(
        self, path: Path, wanted: dict[str, Any], same_code: bool
    ) -> dict[str, Any]:
        """Return what is stored if it is what is wanted."""
        stored = read_settings(path)
        there, here = dict(stored), dict(wanted)
        code_there, code_here = there.pop(CODE, {}), here.pop(CODE, {})
        lines = difference(there, here)
        changed = sorted(
            name
            for name in code_there.keys() | code_here.keys()
            if code_there.get(name) != code_here.get(name)
        )
        has_rounds = any(path.parent.glob("*.jsonl")) or any(
            path.parent.glob("*/*.jsonl")
        )
        unplayed = (
            ""
            if has_rounds
            else f"\nNo round of it was played: delete {path} if no other process is "
            "at work on it."
        )
        if lines:
            raise ValueError(
                f"The run in {self.path} was made otherwise, says "
                f"{path.relative_to(self.path)}:\n  "
                + "\n  ".join(lines)
                + "\nGo on as it was made, use another run_dir, or `replay` the run "
                "to score its selections with another metric or model." + unplayed
            )
        if changed and not same_code:
            raise ValueError(
                f"The run in {self.path} was made with other code. Changed since: "
                f"{', '.join(changed)}.\nSet it back, use another run_dir, or pass "
                "same_code=True if the change makes no difference to any round (as "
                "when another release of Python compiles the same text)." + unplayed
            )
        return stored

    def hash_of(self, name: str) -> str:
        """Return a hash of all that decides the rounds of a strategy.

        Parameters
        ----------
        name : str
            Name of the strategy.
        """
        common, strategy = self.path / COMMON, self._of(name) / _STRATEGY
        for path in (common, strategy):
            if path not in self.agreed and not check_regular(path).exists():
                raise DamagedRunError(
                    f"{self._of(name)} has rounds, but there is no {path} that says "
                    "how they were played. Put it back, or use another run_dir."
                )
        parts = [
            self.agreed[p] if p in self.agreed else read_settings(p)
            for p in (common, strategy)
        ]
        return digest({"common": parts[0], "strategy": parts[1]})

    def jobs(self) -> list[tuple[str, int]]:
        """Return strategy and repeat of each job that has begun."""
        found = []
        for file in self.path.glob("*/*.jsonl"):
            if not file.stem.isdecimal() or str(int(file.stem)) != file.stem:
                raise DamagedRunError(
                    f"{file} is no file of a run, whose names are numbers of repeats: "
                    "move it elsewhere."
                )
            found.append((unquote(file.parent.name), int(file.stem)))
        return sorted(found)

    def check(
        self, jobs: Iterable[tuple[str, int]], n_rows: int, versions: dict[str, str]
    ) -> None:
        """Read what jobs have played, and raise unless it can be gone on with.

        Parameters
        ----------
        jobs : iterable of (str, int)
            Strategy and repeat of each.
        n_rows : int
            Number of rows of X, with copies.
        versions : dict of str to str
            Those of the packages, and the platform, that would play on. Others are a
            warning.
        """
        others = {}
        for name, repeat in jobs:
            for row in self.rows(name, repeat):
                if max(row["indices"]) >= n_rows:
                    text = f"row {max(row['indices'])} of {n_rows} is labelled"
                    self.file(name, repeat).refuse_round(row["stage"], text)
                for package, here in versions.items():
                    there = row.get("versions", {}).get(package)
                    if there != here:
                        others[package] = f"{package} {there} (now {here})"
        if others:
            warnings.warn(
                f"Rounds in {self.path} were played with other versions or elsewhere, "
                f"which may give other numbers: {', '.join(others.values())}.",
                UserWarning,
                stacklevel=4,
            )

    def file(self, name: str, repeat: int) -> RowFile:
        """Return the file of a job.

        Parameters
        ----------
        name : str
            Name of the strategy.
        repeat : int
            Number of the repeat.
        """
        path = self._of(name) / f"{repeat}.jsonl"
        return RowFile(path, name, repeat, self.hash_of(name))

    def rows(self, name: str, repeat: int) -> list[dict[str, Any]]:
        """Return the rounds of a job; a last line that was cut off does not count.

        Parameters
        ----------
        name : str
            Name of the strategy.
        repeat : int
            Number of the repeat.
        """
        is_there = (self._of(name) / f"{repeat}.jsonl").exists()
        return self.file(name, repeat).rows() if is_there else []

    def append(self, row: dict[str, Any]) -> None:
        """Add a round to its job, and wait until it is on the disk.

        Parameters
        ----------
        row : dict
            With "strategy", "repeat" and "stage".
        """
        for path, values in self.agreed.items():
            # A process may have been told to play otherwise, or files may be lost.
            if create_settings(path, values):
                continue
            if digest(read_settings(path)) != digest(values):
                raise DamagedRunError(
                    f"{path} was changed while the run was played: nothing more is "
                    "written to it. Use another run_dir."
                )
        self.file(row["strategy"], row["repeat"]).append(row)

    def forget_unplayed(self) -> None:
        """Remove what this process stored for rounds that were then not played.

        So a run whose first training failed can be begun anew, mended.
        """
        # The common file was created first, and goes last: it may stay for strategies
        # of other processes.
        for path in reversed(self.created):
            is_common = path.parent == self.path
            if not any(path.parent.glob("*/*.jsonl" if is_common else "*.jsonl")):
                with suppress(OSError):
                    path.unlink()
                    path.parent.rmdir()

    def _of(self, name: str) -> Path:
        # A name may hold slashes or be ".."; quoted, it is one folder inside the run,
        # on every system.
        return self.path / quote(name, safe=" ").replace(".", "%2E")
