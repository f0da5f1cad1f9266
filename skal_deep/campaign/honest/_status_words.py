"""Where a campaign stands, in words."""

from pathlib import Path
from typing import Any

import numpy as np

from skal_deep.campaign.honest._honest import ControlSample
from skal_deep.campaign.honest._referees import choice_verdict, is_used
from skal_deep.campaign.store._rounds import control_answers
from skal_deep.campaign.store._state import State
from skal_deep.evaluation.risk._intervals import clopper_pearson

LEVEL = 0.95  # of the intervals
_FEW_OF_CLASS = 10
_CHOICE_NOTE = (
    "Whether choosing helped, one campaign cannot show: python -m skal_deep compare "
    "plays strategies against chance on data that are labelled, and estimate --curve "
    "shows models of control labels alone."
)


def status_lines(
    path: Path,
    state: State,
    content: dict[str, Any],
    sample: ControlSample | None,
    has_features: bool,
) -> list[str]:
    """Return where a campaign stands in words.

    Parameters
    ----------
    path : Path
        Folder of the campaign.
    state : State
        What its files say.
    content : dict
        The same as numbers, of ``Status``.
    sample : ControlSample or None
        The control items that count; ``None`` before there are features.
    has_features : bool
        Whether there is something that strategies and models see.
    """
    counted = content["labels"]
    others = f", {counted['referee']} referees" if counted.get("referee") else ""
    others += f", {counted['given']} given before" if counted["given"] else ""
    head = (
        f"{path.name}: {content['items']:,} items, round {content['round']}, "
        f"{content['used']} of {content['budget']} labels ({counted['chosen']} chosen, "
        f"{counted['control']} control{others})"
    )
    for name in ("skipped", "unsure"):
        head += f", {content[name]} {name}" if content[name] else ""
    if content["disputed"]:
        head += f", {len(content['disputed'])} disputed"
    if content["unreadable"]:
        head += f", {len(content['unreadable'])} unreadable lines"
    lines = [head]
    if not state.settings.is_regression:
        lines += _class_lines(path, state, content, sample)
    if content["rounds"]:
        numbers = state.settings.is_regression
        lines.append(
            "round  labels  "
            + ("mean error of control labels" if numbers else "wrong  of  error (95 %)")
        )
    for row in content["rounds"]:
        if row["wrong"] is None:
            said = f"{row['error']:.4g} of {row['control']}"
        else:
            said = (
                f"{row['wrong']:>5}  {row['control']:>2}  {100 * row['error']:.0f} % "
                f"({100 * row['low']:.0f} to {100 * row['high']:.0f})"
            )
        lines.append(f"{row['round']:>5}  {row['labels']:>6}  {said}")
    agreed = content["agreement"]
    if agreed is not None:
        lines.append(
            f"Agreement of annotators: {agreed['share']:.0%} of {agreed['n']} items "
            f"({agreed['low']:.0%} to {agreed['high']:.0%})".replace("%", " %")
        )
    if len(content["annotators"]) > 1:
        said = ", ".join(f"{who} {n}" for who, n in content["annotators"].items())
        lines.append(f"Annotators: {said}")
    for name, line in content["unreadable"]:
        lines.append(f"labels/{name}, line {line}: cannot be read, and does not count")
    for name, what in (
        ("disputed", "disputed"),
        ("changed", "changed after they were labelled"),
        ("gone", "labelled, and not there any more"),
        ("unknown", "labelled, and no item of this campaign"),
        ("foreign", "labelled as what is no class of this campaign"),
    ):
        if content[name]:
            shown = ", ".join(content[name][:5])
            shown += f" and {more} more" if (more := len(content[name]) - 5) > 0 else ""
            lines.append(f"{len(content[name])} {what}: {shown}")
    word = "cannot tell" if content["advice"] == "unclear" else content["advice"]
    lines.append(f"Advice: {word}: {content['reason']}.")
    verdict = choice_verdict(state)
    lines.append(_CHOICE_NOTE if verdict is None else f"Choosing: {verdict}")
    if verdict is not None and not (state.is_fresh & ~is_used(state)).any():
        lines[-1] += " All items kept for referees were looked at: none are asked now."
    pace = ""
    if content["seconds"] is not None:
        pace = f"Pace: {content['seconds']:.1f} s a label. "
    return [*lines, f"{pace}Next: {next_command(path, state, has_features)}"]


def _class_lines(
    path: Path, state: State, content: dict[str, Any], sample: ControlSample | None
) -> list[str]:
    """Return a line for each class: labels, and its share of the items."""
    classes = state.settings.classes
    width = max(5, *map(len, classes))
    last = next(
        (
            a
            for one in reversed(state.rounds)
            if (a := control_answers(path, one.number)) is not None
        ),
        None,
    )
    shares = None
    if last is not None and len(last):
        known = last[~np.isnan(last).any(axis=1)]
        counts = np.bincount(known.argmax(axis=1), minlength=len(classes))
        shares = counts / max(1, len(known))
    lines = [f"{'class':<{width}}  labels  control  predicted   in all items (95 %)"]
    n = 0 if sample is None else len(sample)
    for code, name in enumerate(classes):
        of_class = 0 if sample is None else int((sample.y == code).sum())
        predicted = "" if shares is None else f"{100 * shares[code]:.0f} %"
        said = ""
        if n:
            low, high = clopper_pearson(of_class, n, LEVEL)
            said = f"{100 * low:.0f} % to {100 * high:.0f} %"
            if of_class < _FEW_OF_CLASS:
                said += "   too few control labels to tell its recall"
        lines.append(
            f"{name:<{width}}  {content['classes'][name]:>6}  {of_class:>7}  "
            f"{predicted:>9}   {said}".rstrip()
        )
    return lines


def next_command(path: Path, state: State, has_features: bool) -> str:
    """Return what to do next, to be typed.

    Parameters
    ----------
    path : Path
        Folder of the campaign.
    state : State
        What its files say.
    has_features : bool
        Whether there is something that strategies and models see.
    """
    if (one := state.open_round) is not None:
        left = f"({len(state.left(one))} left in round {one.number})"
        return f"python -m skal_deep label {path}   {left}"
    if not has_features:
        return f"python -m skal_deep embed {path}"
    is_all = bool(state.is_answered.all()) and not state.to_ask_again
    if is_all or not state.n_left:
        return f"python -m skal_deep export {path} --out result/"
    return f"python -m skal_deep next {path}"
