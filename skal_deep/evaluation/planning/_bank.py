"""A bank of learning curves, by whose errors a forecast is judged."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.statistics._curves import check_labels
from skal_deep.evaluation.statistics._numbers import check_scores

_BUILTIN = Path(__file__).parent / "bank.npz"
_FIELDS = ("family", "task", "strategy", "n_labels", "scores")
_LARGEST_FILE = 100 * 2**20


class Bank:
    """Learning curves of tasks: data sets, each with one or more strategies and seeds.

    :func:`plan_labels` tries its forecast on each of them, cut where there are as many
    labels in proportion as in the question, and widens it by the errors that it sees.
    A family of tasks counts once, however many tasks and curves it has.

    Use your own, if you have run many comparisons: curves like those of the question
    make a sharper band.

    Attributes
    ----------
    family, task, strategy : list of str
        Of each curve: the family of the data set, its name, what chose the labels.
    n_labels, scores : list of ndarray
        Of each curve: labels and scores of its stages.

    See Also
    --------
    plan_labels : How many labels to plan for.

    Examples
    --------
    >>> from skal_deep.evaluation import Bank
    >>> bank = Bank()
    >>> for i in range(19):
    ...     bank.add_curve([10, 20, 40, 80], [0.5, 0.6, 0.7, 0.75], task=f"set {i}")
    >>> len(bank), bank.n_tasks
    (19, 19)
    """

    def __init__(self) -> None:
        self.family: list[str] = []
        self.task: list[str] = []
        self.strategy: list[str] = []
        self.n_labels: list[NDArray[np.float64]] = []
        self.scores: list[NDArray[np.float64]] = []

    def __len__(self) -> int:
        return len(self.task)

    @property
    def n_tasks(self) -> int:
        """Number of data sets."""
        return len(set(self.task))

    def add_curve(
        self,
        n_labels: ArrayLike,
        scores: ArrayLike,
        *,
        task: str,
        strategy: str = "",
        family: str | None = "",
    ) -> None:
        """Add one curve.

        Parameters
        ----------
        n_labels : array-like of shape (n_stages,)
            Number of labels at each stage.
        scores : array-like of shape (n_stages,)
            Scores, one a stage.
        task : str
            The data set. Curves of one task are one witness, not several.
        strategy : str, default=""
            What chose the labels: the curves of one strategy and task are repeats.
        family : str or None, default=""
            What the data set has in common with others, such as their origin. Data sets
            of one family are one witness, too; without a name, it is its own family.
            Leave it out where your question is of the same family.
        """
        labels, values = check_labels(n_labels, scores), check_scores(scores)
        if values.ndim != 1 or labels[0] <= 0:
            raise ValueError(
                "One curve is wanted: a score a stage, and labels at the first stage; "
                f"scores have the shape {values.shape}, labels begin at {labels[0]:g}."
            )
        self.family.append("" if family is None else str(family))
        self.task.append(str(task))
        self.strategy.append(str(strategy))
        self.n_labels.append(labels)
        self.scores.append(values)

    def add(self, comparison: HasCurves, task: str, family: str | None = "") -> None:
        """Add all curves of a comparison, as those of one task.

        Parameters
        ----------
        comparison : Comparison
            From :func:`compare_strategies`.
        task : str
            A name of its data set.
        family : str or None, default=""
            What it has in common with other data sets, see :meth:`add_curve`.
        """
        for strategy in comparison.strategies:
            labels, scores = (
                comparison.curve(strategy, column)
                for column in ("n_labels", comparison.metrics[0])
            )
            for n_labels, values in zip(labels, scores, strict=True):
                if np.isfinite(values).all():
                    self.add_curve(
                        n_labels, values, task=task, strategy=strategy, family=family
                    )

    def save(self, path: str | Path) -> None:
        """Write the bank to a file, without pickles.

        Parameters
        ----------
        path : str or Path
            File to write, with the suffix ``.npz``.
        """
        longest = max((len(values) for values in self.scores), default=0)
        n_labels, scores = (np.full((len(self), longest), np.nan) for _ in range(2))
        for i, values in enumerate(self.scores):
            n_labels[i, : len(values)] = self.n_labels[i]
            scores[i, : len(values)] = values
        np.savez_compressed(
            path,
            family=np.array(self.family, str),
            task=np.array(self.task, str),
            strategy=np.array(self.strategy, str),
            n_labels=n_labels,
            scores=scores,
        )

    @classmethod
    def load(cls, path: str | Path) -> "Bank":
        """Read a bank that was saved.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        Bank
            The bank.
        """
        if (size := Path(path).stat().st_size) > _LARGEST_FILE:
            raise ValueError(f"{path} has {size} bytes, which no bank of curves has.")
        try:
            with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
                fields = {name: file[name] for name in _FIELDS}
        except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
            raise ValueError(
                f"{path} is no bank of learning curves as Bank.save writes it: {error}"
            ) from error
        bank = cls()
        names = ("family", "task", "strategy")
        for i, values in enumerate(fields["scores"]):
            known = np.isfinite(values)
            bank.add_curve(
                fields["n_labels"][i][known],
                values[known],
                **{name: str(fields[name][i]) for name in names},
            )
        return bank

    def mean_curves(
        self, n_repeats: int
    ) -> Iterator[
        tuple[NDArray[np.float64], list[tuple[str, str]], NDArray[np.float64]]
    ]:
        """Yield labels, families and tasks, and scores of curves of equal labels.

        Curves of one task and strategy are repeats, and averaged. Where there are fewer
        than wanted, their mean is noisier than the question's, which widens the band.

        Parameters
        ----------
        n_repeats : int
            How many repeats to average.

        Yields
        ------
        tuple
            Labels of shape (n_stages,), a family and a task of each curve, and scores
            of shape (n_curves, n_stages).
        """
        repeats: dict[tuple[tuple[str, str], str, bytes], list[Any]] = {}
        grids: dict[bytes, NDArray[np.float64]] = {}
        tasks_of = zip(self.family, self.task, strict=True)
        for task, strategy, labels, scores in zip(
            tasks_of, self.strategy, self.n_labels, self.scores, strict=True
        ):
            grids[labels.tobytes()] = labels
            repeats.setdefault((task, strategy, labels.tobytes()), []).append(scores)
        found: dict[bytes, tuple[list[tuple[str, str]], list[Any]]] = {}
        for (task, _, grid), curves in repeats.items():
            size = min(n_repeats, len(curves))
            tasks, means = found.setdefault(grid, ([], []))
            for first in range(0, len(curves) - size + 1, size):
                tasks.append(task)
                means.append(np.mean(curves[first : first + size], axis=0))
        for grid, (tasks, means) in found.items():
            yield grids[grid], tasks, np.array(means)


@lru_cache
def builtin_bank() -> Bank:
    """Return the bank that comes with the package (``benchmarks/bank.py`` made it)."""
    return Bank.load(_BUILTIN)
