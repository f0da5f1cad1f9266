"""Reference lines: other classifiers on the same labels, or on all labels."""

from typing import Any

import joblib
from sklearn.base import clone

from skal_deep.evaluation.comparison._begin import begin
from skal_deep.evaluation.comparison._jobs import run_job, versions
from skal_deep.evaluation.comparison._run_directory import RunDirectory
from skal_deep.evaluation.simulation._rules import HasRules
from skal_deep.evaluation.simulation._start import GivenData


def reference_jobs(
    references: dict[str, Any],
    learner: HasRules,
    picks: dict[int, list[list[int]]],
    seed: int,
    run: RunDirectory | None,
    data: GivenData,
    same_code: bool = False,
    selection_size: float | int | None = None,
) -> list[Any]:
    """Return a delayed job for each reference and repeat.

    Parameters
    ----------
    references : dict of str to classifier
        ``None`` is the classifier of the learner, fitted to the whole pool.
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    picks : dict of int to list of list of int
        The picks of random sampling in each repeat.
    seed : int
        Seed of the comparison.
    run : RunDirectory or None
        The run directory with the rounds of the strategies.
    data : GivenData
        On what they are played.
    same_code : bool, default=False
        Whether the user's own code counts as that of the run, though it changed.
    selection_size : float, int or None, default=None
        Rows that a search chooses by, which are not fitted to.
    """
    if not references:
        return []
    if run is not None:
        run = RunDirectory(run.path / "references")
        run, _ = begin(run, learner, references, data, seed, same_code, selection_size)
        begun = [(name, repeat) for name in references for repeat in picks]
        run.check(begun, len(data.y) * learner.n_copies, versions())
    whole = {"n_initial": len(data.y) * learner.n_copies, "n_cycles": 0}
    jobs = []
    for name, classifier in references.items():
        params: dict[str, Any] = {"retrain": "scratch"}
        params |= whole if classifier is None else {"estimator": classifier}
        fitter = clone(learner).set_params(**params)
        jobs += [
            joblib.delayed(run_job)(
                fitter,
                name,
                None,
                repeat,
                seed,
                run,
                None if classifier is None else of_random,
                selection_size,
                **vars(data),
            )
            for repeat, of_random in picks.items()
        ]
    return jobs
