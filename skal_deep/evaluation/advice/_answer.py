"""The answer to whether active learning helps."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skal_deep.evaluation.advice._reasons import Reason
from skal_deep.evaluation.advice._tuning import Tuning
from skal_deep.evaluation.comparison._result import BASELINE, Comparison
from skal_deep.evaluation.statistics._curves import saturation_stage
from skal_deep.evaluation.statistics._paired import (
    LEVEL,
    PairedDifference,
    paired_difference,
)
from skal_deep.evaluation.statistics._tests import holm
from skal_deep.evaluation.statistics._wording import (
    describe_savings,
    format_difference,
    format_params,
    more_repeats,
    sentence,
)

_HEADLINES = {
    "better": "Yes, active learning helps here.",
    "worse": "No, active learning hurts here.",
    "no difference detected": "No difference to random sampling was detected.",
}


@dataclass(frozen=True, repr=False)
class Answer:
    """Whether active learning helps, the evidence for it, and what to do.

    :func:`does_al_help` returns it: print it, read :attr:`word`, or write the report
    with ``to_html``.

    Attributes
    ----------
    comparison : Comparison
        The strategies beside random sampling.
    tuning : Tuning or None
        The effect of tuning the model, where settings were given.
    X, y : array-like
        The data, for pictures of what was labelled.
    found : tuple of Reason or None
        What was measured to explain the answer; ``None`` if that was not asked for,
        empty where a strategy is better, by a gain that matters and up to the end.

    See Also
    --------
    does_al_help : Plays the study and returns the answer.
    Verdict : The conclusion about one strategy.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import does_al_help
    >>> from skal_deep.pool import MarginSampling
    >>> X, y = load_iris(return_X_y=True)
    >>> options = {"n_repeats": 2, "n_cycles": 1, "progress": False}
    >>> answer = does_al_help(
    ...     GaussianNB(), X, y, strategies=[MarginSampling()], **options
    ... )
    >>> answer.best
    'MarginSampling'
    """

    comparison: Comparison
    tuning: Tuning | None
    X: Any
    y: Any
    found: tuple[Reason, ...] | None = None

    @property
    def best(self) -> str:
        """Name of the strategy with the largest gain in area.

        One without a score in some repeat might have been ahead: unless another is
        better than random sampling, it is the one that decides what may be said.
        """
        verdicts = self.comparison.verdicts()
        gains = {name: verdict.difference for name, verdict in verdicts.items()}
        unknown = [name for name, gain in gains.items() if gain.n_missing]
        scored = [name for name in gains if name not in unknown]
        best = max(scored or gains, key=lambda name: gains[name].mean)
        if unknown and verdicts[best].word != "better":
            return unknown[0]
        return best

    @property
    def word(self) -> str:
        """The verdict: that of the best strategy, corrected for their number."""
        return self.comparison.verdicts()[self.best].word

    @property
    def headline(self) -> str:
        """The verdict as a sentence."""
        verdict = self.comparison.verdicts()[self.best]
        said = _HEADLINES.get(verdict.word)
        if said is None:
            return f"{verdict.word[0].upper()}{verdict.word[1:]}."
        return (
            f"{said.removesuffix('.')}{verdict.caveat}." if verdict.is_found else said
        )

    def final_difference(self) -> PairedDifference:
        """Return what the best strategy gains at the last stage, not over all.

        Returns
        -------
        PairedDifference
            The gain, paired by repeat.
        """
        final, random = (
            self.comparison.curve(name)[:, -1] for name in (self.best, BASELINE)
        )
        return paired_difference(final, random, self.comparison.overlap)

    def final_interval(self) -> tuple[float, float]:
        """Return the interval of that gain, which allows for several strategies.

        Returns
        -------
        tuple of float
            Low and high.
        """
        n_tests = len(self.comparison.verdicts())
        return self.final_difference().interval(LEVEL / n_tests)

    def findings(self) -> list[str]:
        """Return one sentence on each strategy.

        Returns
        -------
        list of str
            The sentences.
        """
        savings = {row["strategy"]: row for row in self.comparison.label_savings().rows}
        return [
            f"{name}: {sentence(verdict)}{describe_savings(verdict, savings[name])}"
            for name, verdict in self.comparison.verdicts().items()
        ]

    def effects(self) -> list[tuple[str, PairedDifference]]:
        """Return the gains at the end of the budget: of the strategy, of tuning.

        Returns
        -------
        list of (str, PairedDifference)
            What it is the gain of, and the gain.
        """
        found = [(f"strategy ({self.best})", self.final_difference())]
        if self.tuning is not None:
            found.append(
                (f"tuning ({format_params(self.tuning.best)})", self.tuning.difference)
            )
        return found

    def shown_effects(self) -> list[tuple[str, str]]:
        """Return the same in words, with intervals.

        Returns
        -------
        list of (str, str)
            What it is the gain of, and the gain in words.
        """
        intervals = [self.final_interval(), None]
        return [
            (name, format_difference(difference, self._is_share, interval))
            for (name, difference), interval in zip(
                self.effects(), intervals, strict=False
            )
        ]

    def advice(self) -> list[str]:
        """Return what follows from the numbers.

        Returns
        -------
        list of str
            Sentences.
        """
        said = [
            self._on_reasons(),
            self._on_strategy(),
            self._on_tuning(),
            self._on_budget(),
        ]
        return [text for text in (*said, self.comparison.warning) if text]

    def reasons(self) -> list[Reason]:
        """Return why choosing may not have helped.

        Seven reasons in order, each with what was measured: the first that holds is the
        one to name, and none may hold. An empty list if a strategy is better, by a gain
        that matters and up to the end.

        Returns
        -------
        list of Reason
            The reasons in order.
        """
        if self.found is None:
            raise ValueError("Reasons are looked for by does_al_help(explain=True).")
        return list(self.found)

    def _on_reasons(self) -> str | None:
        if not self.found:
            return None
        first = next((reason for reason in self.found if reason.holds), None)
        if first is None:
            n_told = sum(reason.holds is not None for reason in self.found)
            return (
                f"Why it did not help: none of {n_told} reasons that can be told here "
                "was found."
            )
        more = " more" if self.word == "better" else ""
        return f"Why it did not help{more} ({first.name}): {first.text}"

    def _on_strategy(self) -> str:
        verdict = self.comparison.verdicts()[self.best]
        if verdict.word == "better":
            return f"Let {self.best} choose what to label."
        if verdict.word == "worse":
            return "Label rows at random."
        if not verdict.difference.has_statement:
            return (
                "Find out why there are repeats without a score before anything else: "
                "a training that diverged, or a metric that is not defined for some "
                "test rows."
            )
        why = (
            "Label rows at random: it is simpler, and such labels are also good for an "
            "unbiased estimate of the score."
        )
        if self._holds_on_these_rows():
            return (
                f"{why} What {self.best} gains on these very rows is more than chance "
                "(flips of signs), but that says nothing of other rows, as repeats "
                "that split the same data overlap; with test data of your own (X_test, "
                "y_test) fewer repeats show more."
            )
        return f"{why} {more_repeats(verdict)}".strip()

    def _holds_on_these_rows(self) -> bool:
        """Return whether the best is ahead beyond chance, were repeats independent."""
        rows = self.comparison.tests().rows
        p_values = holm([row["p signs"] for row in rows])
        found = {row["strategy"]: p for row, p in zip(rows, p_values, strict=True)}
        ahead = self.comparison.difference(self.best).mean > 0
        return bool(ahead and self.comparison.overlap and found[self.best] < LEVEL)

    def _on_tuning(self) -> str:
        if self.tuning is None:
            return (
                "Pass param_grid to see what tuning the model brings beside the "
                "strategy; it is often more."
            )
        if not self.tuning.difference.has_statement:
            return f"Tuning the model: {self.tuning.difference.wording}."
        if self.tuning.difference.wording != "better":
            return "Tuning the model brings nothing that can be told from chance."
        final = self.final_difference()
        if final.n_missing:
            return f"Tuning the model ({format_params(self.tuning.best)}) helps."
        if self.tuning.difference.mean < final.mean:
            return f"Tune the model, too ({format_params(self.tuning.best)})."
        return (
            f"Tune the model first ({format_params(self.tuning.best)}): it brings more "
            "than the choice of what to label. Then ask again, with the tuned model."
        )

    def _on_budget(self) -> str | None:
        labels = self.comparison.curve(BASELINE, "n_labels")[0]
        curve = self.comparison.curve(BASELINE).mean(axis=0)
        if not self._is_share or len(curve) < 3 or not np.isfinite(curve).all():
            return None
        enough = saturation_stage(curve)
        if enough == 0:
            return (
                f"More random labels bring little: the score is {curve[0]:.2f} with "
                f"{labels[0]:.0f} and {curve[-1]:.2f} with {labels[-1]:.0f}. Either "
                "the first are enough, or training makes too little of them: try more "
                "epochs or another learning rate, and references={'full data': None} "
                "to see what all labels give."
            )
        if labels[enough] > (labels[0] + labels[-1]) / 2:
            return None
        return (
            f"Random sampling is within 1 % of its final score after "
            f"{labels[enough]:.0f} of {labels[-1]:.0f} labels: beyond, there is little "
            "for any strategy to gain. Look at smaller budgets."
        )

    @property
    def _is_share(self) -> bool:
        return self.comparison.verdicts()[self.best].is_share

    def __repr__(self) -> str:
        spent = f"{self.comparison.curve(BASELINE, 'n_labels')[0, -1]:.0f}"
        is_over_cost = self.comparison.settings.get("axis") == "cost"
        spent = f"a cost of {spent}" if is_over_cost else f"{spent} labels"
        shown = self.shown_effects()
        width = max(len(name) for name, _ in shown)
        effects = [f"  {name.ljust(width)}  {text}" for name, text in shown]
        return "\n".join(
            [
                f"Does active learning help? {self.headline}",
                "",
                *self.findings(),
                "",
                f"Gains at {spent} alone, with 95 % intervals; what is said "
                "above is of the whole curve:",
                *effects,
                "",
                "Advice",
                *(f"- {text}" for text in self.advice()),
            ]
        )

    def to_html(
        self, path: str | Path, image_shape: tuple[int, ...] | None = None
    ) -> None:
        """Write a report: one page that needs no other file.

        Parameters
        ----------
        path : str or Path
            File to write.
        image_shape : tuple of int, default=None
            Shape of an image, ``(h, w)`` or ``(c, h, w)``, where rows of X are images
            written as vectors.
        """
        from skal_deep.evaluation.report._html import html_report

        text = html_report(self.comparison, self.X, self.y, image_shape, self)
        Path(path).write_text(text, encoding="utf-8")
