"""A scripted annotator, who labels a campaign's open round in a browser.

    python -m benchmarks.annotator DIR TRUTH.csv --said SAID.csv

It starts ``python -m skal_deep label DIR``, opens the page in Chromium, and presses the
keys of the class that ``TRUTH.csv`` (columns id and label) has for the item that it
sees. What the page calls saved goes to ``SAID.csv``. With ``--kill-after N`` the
command is killed in the midst of the answer after the N-th.
"""

import argparse
import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_DIGITS = 9  # more classes are typed


def main() -> None:
    """Label one round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dir", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--said", type=Path, required=True)
    parser.add_argument("--kill-after", type=int, default=-1)
    args = parser.parse_args()
    with args.truth.open(newline="", encoding="utf-8") as file:
        truth = {row["id"]: row["label"] for row in csv.DictReader(file)}
    command = [
        sys.executable,
        "-m",
        "skal_deep",
        "label",
        str(args.dir),
        "--no-browser",
    ]
    label = subprocess.Popen(
        [*command, "--as", "anna"], stdout=subprocess.PIPE, text=True
    )
    url = re.search(r"http://\S+", label.stdout.readline())[0]
    with sync_playwright() as play, args.said.open("a", newline="") as said:
        # A container's root may not use the browser's own sandbox.
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium")
            or shutil.which("chromium-browser"),
            args=["--no-sandbox"],
        )
        page = browser.new_page()
        page.goto(url)
        try:
            work(page, truth, csv.writer(said), label, args.kill_after)
        except BaseException:
            label.kill()
            raise
        finally:
            browser.close()
    label.communicate()


def work(page, truth, said, label, kill_after: int) -> None:
    """Answer all items; or some, and kill the command while the next one is saved."""
    n_said = 0
    while True:
        page.wait_for_selector("[data-idle=true]")
        if not page.locator(".name").count():
            page.keyboard.press("Enter")  # closes the page, which ends the command
            page.wait_for_selector("p.end")
            return
        name = page.locator(".name").inner_text()
        for key in keys_of(page, truth[name]):
            page.keyboard.press(key)
        if n_said == kill_after:
            label.kill()
            return
        page.wait_for_selector("[data-idle=true]")
        if not page.locator(".word").inner_text().startswith("Saved"):
            raise RuntimeError(f"{name} was not saved: {page.inner_text('.foot')}")
        said.writerow([name, truth[name]])
        n_said += 1


def keys_of(page, label: str) -> list[str]:
    """Return what to press for a class: its digit, or its letters and Enter."""
    shown = page.locator("button.class span").all_inner_texts()
    if len(shown) <= _DIGITS:
        return [str(shown.index(label) + 1)]
    return [*label, "Enter"]


if __name__ == "__main__":
    main()
