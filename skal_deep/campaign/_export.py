"""What a campaign gives away: labels, predictions, a model, tasks, and how it came."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign._label_studio import config_xml, serving_lines, tasks
from skal_deep.campaign._report import report_page
from skal_deep.campaign.models._save_model import save_model
from skal_deep.campaign.store._events import OK
from skal_deep.campaign.store._folder import Folder
from skal_deep.campaign.store._rounds import REFEREE, Round
from skal_deep.campaign.store._settings import versions
from skal_deep.campaign.store._state import State
from skal_deep.evaluation._export import json_text, write_csv

if TYPE_CHECKING:
    from skal_deep.campaign._campaign_findings import CampaignFindings

_N_BYTES = 200  # of a name of a file, of which systems take 255
PARTS = ("labels", "predictions", "model", "labelstudio", "tree", "wide")
_LABELS = [
    "id",
    "label",
    "annotators",
    "round",
    "arm",
    "strategy",
    "utility",
    "draw",
    "time",
]
_PREDICTIONS = ["id", "predicted", "probability", "label"]


def export_campaign(
    campaign: "CampaignFindings",
    out: Path,
    parts: Sequence[str],
    refit: str,
    estimator: Any,
    copy: bool,
    allow_pickle: bool,
) -> list[Path]:
    """Write parts of what a campaign knows, and return the files.

    Parameters
    ----------
    campaign : Campaign
        The campaign.
    out : Path
        Folder to write to.
    parts : sequence of str
        Which ones.
    refit : {"chosen", "all"}
        Whether control labels train the model that is given away.
    estimator : object or None
        What is trained; ``None`` is the campaign's model.
    copy : bool
        Whether files are copied into the tree of classes instead of linked.
    allow_pickle : bool
        Whether a model that is neither linear nor a net may be pickled.
    """
    if unknown := sorted(set(parts) - set(PARTS)):
        raise ValueError(
            f"There is no part {unknown[0]!r} of an export: use {', '.join(PARTS)}."
        )
    out.mkdir(parents=True, exist_ok=True)
    state = campaign.state()
    files = []
    if "labels" in parts:
        files.append(_write_labels(state, out / "labels.csv"))
    if "wide" in parts:
        files.append(_write_wide(state, out / "wide.csv"))
    source = campaign.source
    if "tree" in parts and isinstance(source, Folder) and campaign.classes:
        files += _write_tree(source, campaign.classes, state, out / "tree", copy)
    model: Any = None
    if state.training() and campaign.has_features:
        if {"predictions", "model", "labelstudio"} & set(parts):
            model = campaign.fit(estimator, refit=refit)
        if "predictions" in parts:
            files.append(_write_predictions(campaign, state, model, out))
        if "model" in parts:
            about = {
                "classes": campaign.classes,
                "features": campaign.settings.features,
                "model": campaign.settings.model,
                "n_labels": len(state.training(with_control=refit == "all")),
                "refit": refit,
            }
            files += save_model(model, out / "model", about, allow_pickle)
        path = out / "estimate.json"
        estimate = campaign.estimate(estimator=estimator)
        path.write_text(json_text(estimate.to_dict()), encoding="utf-8")
        files.append(path)
    if "labelstudio" in parts and state.rounds:
        files += _write_tasks(campaign, state.rounds[-1], model, out / "labelstudio")
    page = out / "report.html"
    page.write_text(report_page(campaign), encoding="utf-8", errors="replace")
    words = out / "README.txt"
    words.write_text(_in_words(campaign, state, refit), encoding="utf-8")
    return [*files, page, words]


def label_rows(state: State) -> list[dict[str, Any]]:
    """Return a row for each label: what, who, and how the item was chosen.

    Parameters
    ----------
    state : State
        What the files say.
    """
    rows = []
    by_number = {one.number: one for one in state.rounds}
    for name in sorted(state.labels.label, key=state.items.row_of.__getitem__):
        said = [e for e in state.labels.answers[name].values() if e.status == OK]
        number = state.asked_in.get(name, [0])[0]  # in which it was chosen
        one: Round | None = by_number.get(number)
        item = {} if one is None else one.items[name]
        strategy = None if one is None else one.content["strategy"]
        by = ""
        if strategy is not None and "rank" in item:
            by = strategy["class"].rpartition(".")[2]
        rows.append(
            {
                "id": name,
                "label": state.labels.label[name],
                "annotators": ";".join(sorted(event.annotator for event in said)),
                "round": number,
                "arm": item.get("arm", "given"),
                "strategy": by,
                "utility": item.get("utility", ""),
                "draw": item.get("draw", ""),
                "time": max(event.time for event in said),
            }
        )
    return rows


def _write_labels(state: State, path: Path) -> Path:
    write_csv(path, _LABELS, label_rows(state))
    return path


def _write_wide(state: State, path: Path) -> Path:
    """Write one column an annotator, empty where there is no label."""
    answers = state.labels.answers
    who = sorted({name for said in answers.values() for name in said})
    rows = [
        {
            "id": name,
            **{
                annotator: answers[name][annotator].label
                if annotator in answers[name] and answers[name][annotator].status == OK
                else ""
                for annotator in who
            },
        }
        for name in sorted(answers, key=state.items.row_of.__getitem__)
    ]
    write_csv(path, ["id", *who], rows)
    return path


def _write_predictions(
    campaign: "CampaignFindings", state: State, model: Any, out: Path
) -> Path:
    ids, answers_NC = campaign.predict(model)
    classes, labels = campaign.classes, state.labels.label
    rows = []
    for name, answer_C in zip(ids, answers_NC, strict=True):
        best = int(answer_C.argmax())
        said: dict[str, Any] = {"predicted": float(answer_C[0]), "probability": ""}
        if classes:
            said = {"predicted": classes[best], "probability": float(answer_C[best])}
        rows.append({"id": name, **said, "label": labels.get(name, "")})
    path = out / "predictions.csv"
    write_csv(path, _PREDICTIONS, rows)
    return path


def _write_tree(
    source: Folder, classes: list[str], state: State, folder: Path, copy: bool
) -> list[Path]:
    """Write a folder for each class with the files that were labelled so."""
    source.check_is_there()
    names = _safe_names(classes)
    labels, flat = state.labels.label, _flat_names(state.items.places)
    ours = set(flat)
    for name in names.values():  # labels may have been corrected since
        for old in (folder / name).glob("*"):
            if old.name in ours and not old.is_dir():
                old.unlink()
    files = []
    for row, file in enumerate(flat):
        label = labels.get(state.items.ids[row])
        if label is None or state.items.gone[row]:
            continue
        original = source.file(state.items.places[row])
        if not original.exists():  # it went, and nobody has looked since
            continue
        target = folder / names[str(label)] / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if copy:
            shutil.copyfile(original, target)
        else:
            target.symlink_to(
                os.path.relpath(original.resolve(), target.parent.resolve())
            )
        files.append(target)
    return files


def _flat_names(places: list[str]) -> list[str]:
    """Return the name that each file has in the folder of a class, all different."""
    taken: set[str] = set()
    names = []
    for place in places:
        stem, ending = os.path.splitext(place.replace("/", "__"))
        stem = os.fsencode(stem)[-_N_BYTES:].decode(errors="ignore")
        name, number = f"{stem}{ending}", 2
        while name.casefold() in taken:
            name, number = f"{stem}-{number}{ending}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _safe_names(classes: list[str]) -> dict[str, str]:
    """Return a folder's name for each class, all different on any file system."""
    names: dict[str, str] = {}
    for name in classes:
        safe = re.sub(r"[^\w .+-]", "_", name).strip(". ") or "_"
        if re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", safe):
            safe = f"{safe}_"
        taken = {other.casefold() for other in names.values()}
        unique, number = safe, 2
        while unique.casefold() in taken:
            unique, number = f"{safe}_{number}", number + 1
        names[name] = unique
    return names


def _write_tasks(
    campaign: "CampaignFindings", one: Round, model: Any, folder: Path
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    answers_NC: NDArray[np.float64] | None = None
    items = campaign.items
    ids = [name for name in one.ids if not items.gone[items.row_of[name]]]
    if model is not None:
        known, all_NC = campaign.predict(model)
        position = {name: row for row, name in enumerate(known)}
        width = all_NC.shape[1]
        answers_NC = np.full((len(ids), width), np.nan)
        for rank, name in enumerate(ids):
            if name in position:
                answers_NC[rank] = all_NC[position[name]]
    config, page = folder / "config.xml", folder / "tasks.json"
    config.write_text(config_xml(campaign), encoding="utf-8")
    content = tasks(campaign, ids, one.number, answers_NC)
    page.write_text(json_text(content), encoding="utf-8")
    return [config, page]


def _in_words(campaign: "CampaignFindings", state: State, refit: str) -> str:
    """Return how the labels came about."""
    settings = state.settings
    strategies = sorted(
        {
            one.content["strategy"]["class"].rpartition(".")[2]
            for one in state.rounds
            if one.content["strategy"] is not None
        }
    )
    labels, times = state.labels, sorted(e.time for e in state.log.events)
    said = Counter(who for answers in labels.answers.values() for who in answers)
    kinds = {"image": "images", "text": "texts", "table": "rows of a table"}
    without = ", ".join(
        f"{len(names)} {word}"
        for word, names in (
            ("skipped", labels.skipped),
            ("not sure", labels.unsure),
            ("disputed", labels.disputed),
        )
    )
    given, referees = state.labeled(None), state.labeled(REFEREE)
    lines = [
        f"Labels of the campaign {campaign.path.name}",
        "",
        f"What: {len(state.items):,} {kinds.get(campaign.kind, 'rows of an array')} of "
        f"{settings.source['path']}; "
        + (
            f"classes: {', '.join(settings.classes)}."
            if settings.classes
            else "labels are numbers."
        ),
        "Who: "
        + (", ".join(f"{who} ({n} answers)" for who, n in said.items()) or "nobody yet")
        + ".",
        f"When: begun {settings.content.get('created', 'at an unknown time')}"
        + (f", answers from {times[0]} to {times[-1]}." if times else "."),
        f"With: skal_deep {versions()['skal_deep']}, seed {settings.seed}.",
        "",
        f"{len(labels.label)} items have a label: "
        f"{len(state.labeled('chosen'))} chosen, {len(state.labeled('control'))} "
        f"control"
        + (f", {len(referees)} referees" if referees else "")
        + (f", {len(given)} given before" if given else "")
        + f". Without a label: {without}.",
        "",
        "How they were chosen (the column arm of labels.csv)",
        f"- chosen: by {', '.join(strategies) or 'nothing yet'}, over "
        f"{len(state.rounds)} rounds. These are no random sample: a mean over them "
        "says nothing of all items.",
    ]
    if settings.control_share:
        lines.append(
            f"- control: by chance, {settings.control_share:.0%} of each round. These "
            "are a simple random sample, and the model was not trained on them: count "
            "on them alone to say what all items are like, or how good a model is."
        )
    if settings.referee_share:
        lines.append(
            "- referee: items on which models of chosen and of random labels "
            "disagreed; they are no random sample."
        )
    if given:
        lines.append(
            "- given: labels that existed before the campaign; nobody knows how these "
            "items were chosen."
        )
    lines += [
        "",
        "Columns of labels.csv: label is what most annotators gave, and annotators are "
        "all who gave one, apart by semicolons; strategy chose the item in round; "
        "utility is what it thought of the item, and draw, where it draws, the "
        "probability with which the item was drawn among those that were left. "
        "wide.csv has what each annotator said. A leading ' stands before cells that "
        "a spreadsheet would run as formulas.",
        "",
        f"Model: {settings.model['name']} on {settings.features}; it was trained on "
        + (
            "all labels. The error stated is that of the model without the control "
            "labels, which is a little larger."
            if refit == "all"
            else "the chosen and given labels, not on the control labels."
        ),
        "",
        str(campaign.status()),
    ]
    if lines_to_paste := serving_lines(campaign):
        lines += ["", "Label Studio: set before it starts", *lines_to_paste]
        lines += [
            "Do not show predictions to annotators (Settings, Annotation): what they "
            "see they tend to follow, and the estimated error would be too small."
        ]
    return "\n".join(lines) + "\n"
