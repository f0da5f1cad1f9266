"""What the commands for labelling campaigns do: one call, and what to do next."""

import argparse
import ast
import json
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from skactiveml.pool import RandomSampling

from skal_deep.campaign import Campaign, NothingToDoError
from skal_deep.campaign._batch import CSV
from skal_deep.campaign._export import PARTS
from skal_deep.campaign._report import report_page
from skal_deep.campaign.honest._status_words import next_command
from skal_deep.campaign.models._extractors import LIBRARIES
from skal_deep.campaign.store._files import replace
from skal_deep.campaign.store._settings import NAME, Settings
from skal_deep.cli import _arguments as types
from skal_deep.cli._label import label
from skal_deep.cli._named_code import error_of_named_code
from skal_deep.cli._user import user_name
from skal_deep.evaluation import BASELINE
from skal_deep.evaluation._export import json_text

_BUDGET = 500
_NAMED = 5
_EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError)


def run_campaign_command(args: argparse.Namespace, prog: str) -> int:
    """Run one command, and return its exit code.

    Parameters
    ----------
    args : Namespace
        Parsed arguments.
    prog : str
        How the program is called.
    """
    actions: dict[str, Callable[[argparse.Namespace], tuple[dict[str, Any], str]]] = {
        "init": _init,
        "embed": _embed,
        "next": _next,
        "label": label,
        "add": _add,
        "status": _status,
        "estimate": _estimate,
        "export": _export,
    }
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            content, text = actions[args.command](args)
        for warning in caught:
            if issubclass(warning.category, UserWarning):
                print(f"{prog}: note: {warning.message}", file=sys.stderr)
    except NothingToDoError as error:
        if args.json:
            print(json.dumps({"nothing": str(error)}))
        print(f"{prog}: {error}", file=sys.stderr)
        return 3
    except (Exception, SystemExit) as error:
        said = error_of_named_code(error, _named_code(args))
        if said is None and not isinstance(error, _EXPECTED):
            raise
        print(f"{prog} {args.command}: error: {said or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\nInterrupted. What was done is kept: the same command goes on from here.",
            file=sys.stderr,
        )
        return 130
    refused = args.command == "add" and content["refused"] and not args.partial
    print(json_text(content).replace("\n", "") if args.json else _shown(text))
    if args.command == "label" and content["interrupted"] and content["left"]:
        return 130
    return 2 if refused else 0


def _named_code(args: argparse.Namespace) -> list[str | None]:
    """Return what may run code of the user's, on the command line or by its leave."""
    named = [getattr(args, "model", None), getattr(args, "features", None)]
    if getattr(args, "trust", False):
        with suppress(OSError, ValueError):
            named.append(Settings.read(args.dir).model["name"])
    return named


def _shown(text: str) -> str:
    """Return a text such that the screen can show it; names may hold any bytes."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _init(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    exists = (args.dir / NAME).exists()
    campaign = _changed(args) if exists else _created(args)
    items, state = campaign.items, campaign.state()
    unreadable = campaign.unreadable()
    there = int((~items.is_gone).sum())
    reserved = int((state.has_small_key & ~items.is_gone).sum())
    content = {"items": there, "unreadable": len(unreadable), "reserved": reserved}
    lines = [
        f"{args.dir}: {there:,} items, {reserved} of them reserved for chance to pick "
        f"from, {campaign.settings.budget} labels to spend."
    ]
    if exists and args.classes is not None:
        lines.append(f"Classes: {', '.join(campaign.classes)}.")
    if gone := int(items.is_gone.sum()):
        lines.append(f"{gone} items are gone; their labels stay.")
    if unreadable:
        shown = ", ".join(unreadable[:_NAMED])
        more = ", ..." if len(unreadable) > _NAMED else ""
        lines.append(f"{len(unreadable)} cannot be read: {shown}{more}")
    features = {"image": "pixels", "text": "tfidf"}.get(campaign.kind)
    step = f"embed {args.dir} --features {features}"
    if features is None or campaign.has_features:
        step = f"next {args.dir}"
    lines.append(f"Next: python -m skal_deep {step}")
    return content, "\n".join(lines)


def _created(args: argparse.Namespace) -> Campaign:
    if args.source is not None:
        raise ValueError(
            f"There is no campaign in {args.dir} whose source could have moved: begin "
            "one with --images, --texts, --table or --embeddings."
        )
    classes = None if args.classes is None else types.split_list(args.classes)
    chosen = {
        name: value
        for name in ("control_share", "reserve", "referee_share", "seed")
        if (value := getattr(args, name)) is not None
    }
    return Campaign.create(
        args.dir,
        images=args.images,
        texts=args.texts,
        table=args.table,
        embeddings=args.embeddings,
        column=args.column,
        id=args.id,
        ids=args.ids,
        classes=classes,
        numbers=args.numbers,
        budget=_BUDGET if args.budget is None else args.budget,
        **chosen,
    )


def _changed(args: argparse.Namespace) -> Campaign:
    """Return a campaign that was there, after what is said of it now."""
    campaign = Campaign(args.dir)
    source = campaign.settings.source
    given = [args.images, args.texts, args.table, args.embeddings]
    where = next((path for path in given if path is not None), None)
    if where is not None and where.resolve() != (args.dir / source["path"]).resolve():
        raise ValueError(
            f"{args.dir} is a campaign about {source['path']} already, not about "
            f"{where}. If the items were moved, say --source {where}; for others take "
            "another folder."
        )
    fixed = (
        "column",
        "id",
        "ids",
        "control_share",
        "reserve",
        "referee_share",
        "seed",
    )
    if where is None and (
        named := [name for name in fixed if getattr(args, name) is not None]
    ):
        option = named[0].replace("_", "-")
        raise ValueError(
            f"--{option} was decided when {args.dir} was made, and cannot change."
        )
    if args.source is not None:
        campaign.move_source(args.source)
    if args.classes is not None:
        campaign.add_classes(types.split_list(args.classes))
    if args.budget is not None:
        campaign.set_budget(args.budget)
    campaign.rescan()
    return campaign


def _embed(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    campaign = Campaign(args.dir)
    features = args.features or campaign.default_features()
    if args.features is None and features.split(":")[0] not in LIBRARIES:
        raise ValueError(
            f"The features of {args.dir} are made by {features}, code that is not of "
            f"this package: to run it again, say --features {features}."
        )
    started, shown = time.monotonic(), [0.0]

    def report(done: int, rows: int) -> None:
        now = time.monotonic()
        if args.json or (now - shown[0] < 1 and done < rows):
            return
        shown[0] = now
        rate = done / max(now - started, 1e-6)
        left = (rows - done) / max(rate, 1e-6)
        end = "\n" if done == rows else "\r"
        print(
            f"{done:,} of {rows:,}, {rate:,.0f} items a second, {left:,.0f} s left   ",
            end=end,
            file=sys.stderr,
            flush=True,
        )

    embedded = campaign.embed(
        features,
        batch_size=args.batch,
        device=args.device,
        download=args.download,
        max_pixels=args.max_pixels,
        report=report,
    )
    content = {
        "features": embedded.features,
        "rows": embedded.rows,
        "done": embedded.done,
        "broken": embedded.broken,
    }
    lines = [f"{embedded.done:,} of {embedded.rows:,} items have {embedded.features}."]
    if embedded.broken:
        shown_ids = ", ".join(embedded.broken[:_NAMED])
        more = ", ..." if len(embedded.broken) > _NAMED else ""
        lines.append(
            f"{len(embedded.broken)} cannot be read and are not asked for: "
            f"{shown_ids}{more}"
        )
    lines.append(f"Next: python -m skal_deep next {args.dir}")
    return content, "\n".join(lines)


def _next(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    campaign = Campaign(args.dir, trust=args.trust)
    model = _model(args, campaign)
    batch = campaign.next(
        _strategy(args.strategy),
        batch_size=args.batch_size,
        model=model,
        skip_rest=args.skip_rest,
    )
    page, left = batch.to_html(), batch.left
    batch.to_csv()
    content = {
        "round": batch.number,
        "ids": batch.ids,
        "left": len(left),
        "page": str(page),
    }
    lines = [
        *batch.ids,
        "",
        f"Round {batch.number}: {len(batch)} items, {len(left)} left to label. To look "
        f"at them: {page}",
        f"Next: python -m skal_deep label {args.dir}",
        f"  or fill in {args.dir / CSV} and python -m skal_deep add {args.dir} "
        f"{args.dir / CSV}",
    ]
    return content, "\n".join(lines)


def _strategy(name: str) -> Any:
    if name == "auto":
        return None
    if name == BASELINE:
        return RandomSampling()
    try:
        return next(iter(types.strategies(name).values()))
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"--strategy: {error}, or auto") from error


def _model(args: argparse.Namespace, campaign: Campaign) -> dict[str, Any] | None:
    """Return the model that the command line names, if it names one."""
    if args.model is None and not args.set:
        return None
    values = {}
    for setting in args.set or []:
        name, mark, value = setting.partition("=")
        if not mark:
            raise ValueError(f"--set needs NAME=VALUE, not {setting!r}.")
        try:
            values[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            values[name] = value
    known = campaign.settings.model["name"]
    if args.model is None and ":" in known and not args.trust:
        raise ValueError(f"--set is for {known}: pass --model {known} again.")
    return {"name": args.model or known, "set": values}


def _add(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    campaign = Campaign(args.dir)
    added = campaign.add(
        args.file,
        user_name() if args.annotator is None else args.annotator,
        given=args.given,
        dry_run=args.dry_run,
        partial=args.partial,
    )
    content = {**added.to_dict(), "dry_run": args.dry_run}
    text = f"{args.file}: {added}"
    if added.warning:
        text = f"{text}\n{added.warning}"
    if added.refused and not args.partial:
        return content, (
            f"{text}\nNothing was added. Put these lines right, or pass --partial to "
            "take the rest."
        )
    if args.dry_run:
        return content, f"{text}\nNothing was written: this was a dry run."
    return content, f"{text}\nNext: {_next_step(campaign)}"


def _next_step(campaign: Campaign) -> str:
    return next_command(campaign.path, campaign.state(), campaign.has_features)


def _status(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    campaign = Campaign(args.dir)
    status = campaign.status()
    text = str(status)
    if args.html is not None:
        replace(args.html, report_page(campaign).encode("utf-8", "replace"))
        text = f"{text}\nPage: {args.html}"
    return status.to_dict(), text


def _estimate(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    campaign = Campaign(args.dir, trust=args.trust)
    estimate = campaign.estimate(args.metric, level=args.level, target=args.target)
    content, text = estimate.to_dict(), str(estimate)
    if args.curve:
        curve = campaign.chance_curve()
        content["curve"], text = curve.rows, f"{text}\n\n{curve}"
    return content, f"{text}\nNext: {_next_step(campaign)}"


def _export(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    campaign = Campaign(args.dir, trust=args.trust)
    files = campaign.export(
        args.out,
        PARTS if args.only is None else types.split_list(args.only),
        refit=args.refit,
        copy=args.copy,
        pickle=args.pickle,
    )
    names = [str(path) for path in files]
    shown = [name for name in names if Path(name).parts[-3:-2] != ("tree",)]
    text = "\n".join(shown)
    if len(shown) < len(names):
        text += f"\n{args.out / 'tree'}: {len(names) - len(shown)} files by class"
    return {"files": names}, f"{text}\nNext: read {args.out / 'README.txt'}"
