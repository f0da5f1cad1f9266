"""Draw the rooms of the package and who imports whom: docs/architecture.png.

Run ``python docs/architecture_picture.py``. Rooms are the folders of ``skal_deep``;
an arrow says that files of one room import from another, its width how many. The rows
are the order of the layers that import-linter holds the package to, so an arrow that
points up, or a circle, ends the script with an error and no picture.
"""

import ast
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "skal_deep"


def room_of(module: str) -> str:
    """Return the folder of a module, or the package that it names."""
    parts = module.split(".")[1:]
    while parts and not (PACKAGE.joinpath(*parts)).is_dir():
        parts.pop()
    return ".".join(parts)


def imports_between_rooms() -> Counter[tuple[str, str]]:
    """Return how many import statements lead from one room to another."""
    arrows: Counter[tuple[str, str]] = Counter()
    for path in sorted(PACKAGE.rglob("*.py")):
        room = ".".join(path.relative_to(PACKAGE).parent.parts)
        # The face of a package shows what stands in its own rooms; that is no arrow.
        is_face = path.name == "__init__.py"
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            if not node.module.startswith("skal_deep."):
                continue
            other = room_of(node.module)
            if (
                other
                and room
                and other != room
                and not (is_face and other.startswith(f"{room}."))
            ):
                arrows[room, other] += 1
    return arrows


def rows_of_rooms(arrows: Counter[tuple[str, str]]) -> list[list[str]]:
    """Return the rooms in rows, each below all that import from it."""
    below: dict[str, set[str]] = {}
    for room, other in arrows:
        below.setdefault(room, set()).add(other)
        below.setdefault(other, set())
    order = list(TopologicalSorter(below).static_order())
    height: dict[str, int] = {}
    for room in order:
        height[room] = max((height[other] + 1 for other in below[room]), default=0)
    rows = [
        sorted(room for room in order if height[room] == level)
        for level in range(max(height.values()) + 1)
    ]
    return rows[::-1]


def draw(path: Path) -> None:
    """Draw the picture and save it."""
    arrows = imports_between_rooms()
    rows = rows_of_rooms(arrows)
    figure, axes = plt.subplots(figsize=(9, 0.95 * len(rows)), layout="constrained")
    centers = {}
    for level, row in enumerate(rows):
        for place, room in enumerate(row):
            centers[room] = ((place + 1) / (len(row) + 1) * 10, len(rows) - level)
    for (room, other), count in arrows.items():
        (x0, y0), (x1, y1) = centers[room], centers[other]
        bend = 0.0 if y0 - y1 == 1 else 0.18
        axes.annotate(
            "",
            xy=(x1, y1 + 0.26),
            xytext=(x0, y0 - 0.26),
            arrowprops={
                "arrowstyle": "-|>",
                "color": "0.55",
                "linewidth": 0.5 + 0.25 * count**0.5,
                "connectionstyle": f"arc3,rad={bend}",
            },
        )
    for room, (x, y) in centers.items():
        n_files = len(list(PACKAGE.joinpath(*room.split(".")).glob("*.py"))) - 1
        axes.add_patch(
            FancyBboxPatch(
                (x - 0.95, y - 0.22),
                1.9,
                0.44,
                boxstyle="round,pad=0.03",
                facecolor="#eaf2fb",
                edgecolor="#1f4e79",
                zorder=3,
            )
        )
        axes.text(
            x, y, f"{room}\n{n_files} files", ha="center", va="center", fontsize=8,
            color="#1f2933", zorder=4,
        )  # fmt: skip
    axes.set(xlim=(0, 10), ylim=(0.5, len(rows) + 0.5))
    axes.axis("off")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    try:
        draw(ROOT / "docs" / "architecture.png")
    except CycleError as error:
        sys.exit(f"These rooms import each other in a circle: {error.args[1]}")
