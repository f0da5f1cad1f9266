"""How wrong the model is, from control labels alone, with exact intervals."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.honest._intervals import (
    Interval,
    among_predicted,
    mean_interval,
    upper_bound,
)
from skal_deep.campaign.store._rounds import CHOSEN, REFEREE
from skal_deep.campaign.store._state import State
from skal_deep.evaluation.risk._intervals import clopper_pearson, exact_interval

METRICS = ("error", "recall", "precision", "mae")
_FEW_OF_CLASS = 10
_FEW_NUMBERS = 20
_LARGE_SAMPLE = 0.05  # of the items: from here on it matters that they are finite


@dataclass(frozen=True)
class ControlSample:
    """The control items that count: a simple random sample of the items there are.

    Attributes
    ----------
    rows : ndarray of shape (n_control,)
        Rows of the items that have a label.
    y : ndarray of shape (n_control,)
        Their labels as numbers.
    n_silent : int
        Items of the sample that were answered without a label: skipped, unsure,
        disputed.
    n_items : int
        Size of what was sampled from.
    n_chosen : int
        How many of those were not picked by chance, and people labelled.
    """

    rows: NDArray[np.intp]
    y: NDArray[Any]
    n_silent: int
    n_items: int
    n_chosen: int

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, is_kept: NDArray[np.bool_]) -> "ControlSample":
        """Return some of the labelled items.

        Parameters
        ----------
        is_kept : ndarray of shape (n_control,)
            Which ones.
        """
        return replace(self, rows=self.rows[is_kept], y=self.y[is_kept])

    def none(self) -> "ControlSample":
        """Return none of the labelled items."""
        return self.some(np.zeros(len(self), dtype=bool))


def control_sample(state: State, has_features: NDArray[np.bool_]) -> ControlSample:
    """Return the control items that count now.

    These are the reserved items with the smallest keys, up to the first one that has no
    answer yet. Answers beyond it may have come first because they were easy.

    Parameters
    ----------
    state : State
        What the files say.
    has_features : ndarray of shape (n_items,)
        Items that a model can be asked about.
    """
    items, answers = state.items, state.labels.answers
    is_there = has_features & ~items.is_gone
    given = items.rows(n for n in answers if n not in state.arms)
    is_there[given] = False  # they were not left to chance
    answered = np.zeros(len(items), dtype=bool)
    answered[items.rows(answers)] = True
    waiting = is_there & state.is_reserved & ~answered
    tau = state.keys[waiting].min() if waiting.any() else np.inf
    sampled = is_there & state.is_reserved & (state.keys < tau)
    names = [items.ids[row] for row in np.flatnonzero(sampled)]
    labeled = [name for name in names if name in state.labels.label]
    chosen = items.rows([*state.labeled(CHOSEN), *state.labeled(REFEREE)])
    return ControlSample(
        items.rows(labeled),
        state.codes(labeled),
        len(names) - len(labeled),
        int(is_there.sum()),
        int(is_there[chosen].sum()),
    )


@dataclass(frozen=True)
class Estimate:
    """How wrong the model is on items like those of the campaign.

    ``Campaign.estimate`` returns it: print it. It comes from the control labels, which
    chance picked and no model was trained on. Use it instead of a score on labels that
    were chosen: these are the hard items, and cross-validation on them is far off.

    Attributes
    ----------
    metric : str
        What was estimated.
    value, low, high : float or None
        The estimate and its interval; ``None`` where there are too few labels to tell.
    level : float
        Probability that the interval covers, at least.
    n_control : int
        Control labels that it comes from.
    details : dict
        What else follows, by name.

    See Also
    --------
    Campaign : Makes it.
    skal_deep.evaluation.unbiased_risk : From labels that were drawn with known
        probabilities.

    Examples
    --------
    >>> from skal_deep.campaign import Estimate
    >>> print(Estimate("error", 0.125, 0.027, 0.324, 0.95, 24))
    error: 12.5 % (2.7 % to 32.4 %, 95 %), from 24 control labels
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    level: float
    n_control: int
    details: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain numbers and words.

        Returns
        -------
        dict
            The fields by their names.
        """
        content = asdict(self)
        return {**content.pop("details"), **content}

    def __str__(self) -> str:
        source = f"from {self.n_control} control labels"
        if self.value is None and "classes" not in self.details:
            return f"{self.metric}: too few control labels to tell, {source}"
        lines = []
        if self.value is not None:
            if self.low is None or self.high is None:
                is_few = self.n_control < _FEW_NUMBERS
                why = f" below {_FEW_NUMBERS} labels" if is_few else ": all are equal"
                interval = f"no interval{why}"
            else:
                interval = f"{self._shown(self.low)} to {self._shown(self.high)}, "
                interval += f"{100 * self.level:g} %"
            shown = f"{self._shown(self.value)} ({interval})"
            lines.append(f"{self.metric}: {shown}, {source}")
        else:
            lines.append(f"{self.metric} by class, {source}")
        for name, one in self.details.get("classes", {}).items():
            said = "too few to tell"
            if one["value"] is not None:
                said = f"{one['value']:.1%} ({one['low']:.1%} to {one['high']:.1%})"
            lines.append(f"  {name}: {said}, of {one['n']}".replace("%", " %"))
        lines += self.details.get("notes", [])
        return "\n".join(lines)

    def _shown(self, value: float) -> str:
        return f"{value:.4g}" if self.metric == "mae" else f"{100 * value:.1f} %"


def estimate_from(
    sample: ControlSample,
    predicted: NDArray[Any],
    metric: str,
    level: float,
    target: float | None,
    classes: list[str],
) -> Estimate:
    """Return an estimate.

    Parameters
    ----------
    sample : ControlSample
        The control items that count.
    predicted : ndarray of shape (n_control,)
        What the model says of them, as numbers.
    metric : {"error", "recall", "precision", "mae"}
        What to estimate.
    level : float
        Probability that the interval covers.
    target : float or None
        An error; says whether it is below that.
    classes : list of str
        Names of the classes; none for a regression.
    """
    if metric not in METRICS or (metric == "mae") != (not classes):
        wanted = [name for name in METRICS if (name == "mae") != bool(classes)]
        raise ValueError(
            f"metric={metric!r} is none of this campaign: use {', '.join(wanted)}."
        )
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level!r}.")
    if metric == "error":
        return _error(sample, predicted, level, target)
    if target is not None:
        raise ValueError(f"target is an error rate, and says nothing of {metric!r}.")
    if metric == "mae":
        return _absolute_error(sample, predicted, level)
    by_class = {}
    of = sample.y if metric == "recall" else predicted
    for code, name in enumerate(classes):
        is_of = of == code
        n, k = int(is_of.sum()), int((predicted == sample.y)[is_of].sum())
        value, low, high = None, None, None
        if n >= _FEW_OF_CLASS:
            value, (low, high) = k / n, clopper_pearson(k, n, level)
        by_class[name] = {"value": value, "low": low, "high": high, "n": n}
    return Estimate(metric, None, None, None, level, len(sample), {"classes": by_class})


def _error(
    sample: ControlSample, predicted: NDArray[Any], level: float, target: float | None
) -> Estimate:
    m, k = len(sample), int((predicted != sample.y).sum())
    if not m:
        return Estimate("error", None, None, None, level, 0, {"wrong": 0})
    interval = clopper_pearson(k, m, level)
    details: dict[str, Any] = {"wrong": k}
    notes = []
    pool = interval
    if m > _LARGE_SAMPLE * sample.n_items:
        pool = exact_interval(k, m, sample.n_items, level)
        details["items"] = {"low": pool[0], "high": pool[1]}
        notes.append(
            f"Among the {sample.n_items:,} items, each as if it had not trained: "
            f"{_words(pool)}."
        )
    n_rest = sample.n_items - sample.n_chosen - m
    rest = among_predicted(pool, sample.n_items, sample.n_chosen)
    share = max(0, n_rest) / max(1, sample.n_items)
    details["predicted"] = {"low": rest[0], "high": rest[1]}
    details["exported"] = {"low": rest[0] * share, "high": rest[1] * share}
    notes.append(
        f"Among the {max(0, n_rest):,} items that nobody labelled: {_words(rest)}. "
        f"Wrong labels in an export: {_words((rest[0] * share, rest[1] * share))}, "
        "people taken as right."
    )
    if s := sample.n_silent:
        details["silent"] = s
        low, high = k / (m + s), (k + s) / (m + s)
        details["with_silent"] = {"low": low, "high": high}
        notes.append(
            f"{s} control items got no label (skipped, unsure, disputed): had they, "
            f"the share would lie between {low:.1%} and {high:.1%}.".replace("%", " %")
        )
    if target is not None:
        if not 0 < target < 1:
            raise ValueError(f"target must be between 0 and 1, not {target!r}.")
        upper = upper_bound(k, m, level)
        details |= {"target": target, "upper": upper, "is_below": upper < target}
        word = "below" if upper < target else "not shown to be below"
        notes.append(
            f"It is {word} {100 * target:g} %: the one-sided {100 * level:g} % bound "
            f"is {100 * upper:.1f} %."
        )
    return Estimate("error", k / m, *interval, level, m, {**details, "notes": notes})


def _absolute_error(
    sample: ControlSample, predicted: NDArray[Any], level: float
) -> Estimate:
    m = len(sample)
    if not m:
        return Estimate("mae", None, None, None, level, 0)
    errors = np.abs(predicted - sample.y)
    if m < _FEW_NUMBERS or np.ptp(errors) == 0:  # equal errors tell of no spread
        return Estimate("mae", float(errors.mean()), None, None, level, m)
    low, high = mean_interval(errors, level)
    return Estimate("mae", float(errors.mean()), max(0.0, low), high, level, m)


def _words(interval: Interval) -> str:
    low, high = interval
    return f"{100 * low:.1f} % to {100 * high:.1f} %"


def agreement(state: State, level: float) -> dict[str, Any] | None:
    """Return how far annotators agree on items that two or more of them labelled.

    Parameters
    ----------
    state : State
        What the files say.
    level : float
        Probability that the interval covers.
    """
    pairs = []
    for said in state.labels.answers.values():
        labels = [event.label for event in said.values() if event.status == "ok"]
        if len(labels) > 1:
            pairs.append((labels[0], labels[1]))
    if not pairs or state.settings.is_regression:
        return None
    n, same = len(pairs), sum(a == b for a, b in pairs)
    shares = [
        (sum(a == c for a, _ in pairs) / n) * (sum(b == c for _, b in pairs) / n)
        for c in state.settings.classes
    ]
    chance = sum(shares)
    kappa = None if chance == 1 else (same / n - chance) / (1 - chance)
    low, high = clopper_pearson(same, n, level)
    return {"n": n, "share": same / n, "low": low, "high": high, "kappa": kappa}
