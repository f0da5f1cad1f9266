"""The beginning of a run on disk: what decides it, written down or compared."""

from dataclasses import replace
from typing import Any

from skal_deep.classifier._base import as_seed
from skal_deep.evaluation.comparison._configuration import (
    configuration_of,
    describe_estimator,
)
from skal_deep.evaluation.comparison._row_file import check_regular
from skal_deep.evaluation.comparison._run_directory import CODE, COMMON, RunDirectory
from skal_deep.evaluation.comparison._settings_file import create_settings
from skal_deep.evaluation.simulation._rules import HasRules
from skal_deep.evaluation.simulation._start import GivenData
from skal_deep.identity._code import code_of
from skal_deep.identity._values import fingerprint
from skal_deep.rows._contents import hashes_of_files


def begin(
    run: RunDirectory,
    learner: HasRules,
    named: dict[str, Any],
    data: GivenData,
    random_state: Any,
    same_code: bool = False,
    selection_size: float | int | None = None,
) -> tuple[RunDirectory, int]:
    """Write down what decides a run, or check that it is the same.

    Parameters
    ----------
    run : RunDirectory
        The run directory.
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    named : dict of str to object
        Strategies, or what else has rounds of its own.
    data : GivenData
        On what it is played.
    random_state : int, RandomState or None
        Its seed; ``None`` is that of the run, or a fresh one.
    same_code : bool, default=False
        Whether the user's own code counts as that of the run, though it changed.
    selection_size : float, int or None, default=None
        Rows that a search chooses by: without them, all pools are others.

    Returns
    -------
    run : RunDirectory
        The same, which knows what was agreed upon.
    seed : int
        The seed.
    """
    prints = {
        name: None if value is None else fingerprint(value)
        for name, value in vars(data).items()
        if name != "budget" or value is not None  # runs of before know none
    }
    for name in ("X", "X_test"):  # a name says nothing of what a file holds
        if (files := hashes_of_files(getattr(data, name))) is not None:
            prints[name] = fingerprint(files)
    common = configuration_of(learner) | prints
    if selection_size is not None:
        common["selection_size"] = selection_size
    common[CODE] = code_of(learner.estimator, learner.scoring)
    strategies = {
        name: describe_estimator(each) | {CODE: code_of(each)}
        for name, each in named.items()
    }
    path = run.path / COMMON
    if random_state is None and not check_regular(path).exists():
        # Of several processes that begin at once, one decides on the seed.
        create_settings(path, common | {"random_state": as_seed(None)})
        run = replace(run, created=(path,))
    if random_state is None:
        random_state = (run.configuration() or {}).get("random_state")
    seed = as_seed(random_state)
    return run.agree(common | {"random_state": seed}, strategies, same_code), seed
