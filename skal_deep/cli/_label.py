"""The command ``label``: the page for one annotator, until it is closed."""

import argparse
import os
import signal
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from skal_deep.campaign import Campaign
from skal_deep.campaign._label_server import LabelServer
from skal_deep.campaign._sitting import DISPUTED, REVIEW, ROUND, Sitting
from skal_deep.cli._user import user_name

_DOOR = "label.html"


def label(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Serve the page; return what came of it, and in words.

    Parameters
    ----------
    args : Namespace
        Parsed arguments.
    """
    campaign = Campaign(args.dir, trust=args.trust)
    what = REVIEW if args.review else DISPUTED if args.disputed else ROUND
    who = user_name() if args.annotator is None else args.annotator
    sitting = Sitting(campaign, who, what)
    is_known = sitting.suggest() if args.suggest else True
    server = LabelServer(sitting, args.port)
    out = sys.stderr if args.json else sys.stdout
    print(f"Label {args.dir} here: {server.url}", file=out)
    if not is_known:
        print("No suggestions: no label trains a model yet.", file=out)
    print(
        f"{sitting.n_left} to label. Each label is on the disk before the next item "
        "shows; Ctrl-C ends.",
        file=out,
        flush=True,
    )
    door = None if args.no_browser else _open_browser(args.dir, server.url)
    is_interrupted = False
    try:
        with _kill_interrupts():
            server.run()
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        if door is not None:
            door.unlink(missing_ok=True)
    saved, left = sitting.n_saved, sitting.n_left
    content = {"saved": saved, "left": left, "interrupted": is_interrupted}
    batch = campaign.open_round()
    step = f"{'next' if batch is None else 'label'} {args.dir}"
    return content, f"\nSaved: {saved}, left: {left}. Next: python -m skal_deep {step}"


@contextmanager
def _kill_interrupts() -> Iterator[None]:
    """Let ``kill`` do what Ctrl-C does, which jobs in the background do not hear."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _open_browser(folder: Path, url: str) -> Path | None:
    """Open the page, and return the file that led there, to be deleted.

    The command line of a browser can be read by all users of a machine, a file of ours
    cannot: the token goes by the file.
    """
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    if sys.platform == "linux" and not any(map(os.environ.get, screens)):
        return None  # a browser of the terminal would take it, and knows no scripts
    door = folder / _DOOR
    target = escape(url)
    html = (
        '<!doctype html><meta charset="utf-8"><title>Labelling</title>'
        f'<meta http-equiv="refresh" content="0; url={target}">'
        f'<a href="{target}" rel="noreferrer">Go on to the labelling page</a>'
    )
    try:
        door.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(door, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(html)
        webbrowser.open(door.resolve().as_uri())
    except (OSError, webbrowser.Error):
        return None  # the address is on the screen
    return door
