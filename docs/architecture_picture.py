"""Draw the rooms of the package and who imports whom: docs/architecture.png.

Run ``python docs/architecture_picture.py``. A band is a package of ``skal_deep``, in
the order in which import-linter holds them. A box is a room: the files of one folder.
Arrows inside a band lead from a room to those that it imports from, arcs beside the
bands from a package to those that it imports from, in the colour of the one that
imports. An import from a package above, or a circle of rooms, ends the script with an
error and no picture.

Imports under ``if TYPE_CHECKING:`` do not run and are left out. The ``__init__`` of a
package is its face: it shows names of the rooms, so that what is imported from it is
counted for the room where it stands. Other files that stand directly in a package with
rooms are a room of their own.
"""

import ast
import sys
import textwrap
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "skal_deep"
BLUE, INK = "#1f4e79", "#1f2933"
BAND, BOX = "#f4f7fb", "#dceafa"
WIDTH, BOX_LEFT, BOX_RIGHT = 8.0, 4.0, 6.4
# What the files are called that stand directly in a package with rooms.
DIRECT = {"classifier": "classifiers", "evaluation": "shared files"}

Arrows = Counter[tuple[str, str]]


def file_of(module: str) -> Path | None:
    """Return the file of a module, ``None`` if it is no module of the package."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    if path.is_dir():
        return path / "__init__.py"
    return path.with_suffix(".py") if path.with_suffix(".py").exists() else None


def room_of(path: Path) -> str:
    """Return the folder of a file below the package, with dots; "" is the package."""
    return ".".join(path.relative_to(PACKAGE).parent.parts)


def imports_of(path: Path) -> Iterator[ast.ImportFrom]:
    """Yield the statements of a file that import from the package when they run."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        waiting.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.ImportFrom) and _is_ours(node):
            yield node


def _is_ours(node: ast.ImportFrom) -> bool:
    return (node.module or "").split(".")[0] == PACKAGE.name


@cache
def home_of(module: str, name: str) -> Path | None:
    """Return the file where a name stands that is imported from a module."""
    inner = file_of(f"{module}.{name}")
    if inner is not None:
        return inner
    path = file_of(module)
    if path is not None and path.name == "__init__.py":
        for node in imports_of(path):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return home_of(str(node.module), alias.name)
    return path


def imports_between_rooms() -> Arrows:
    """Return how many names the files of each room import from each other room."""
    arrows: Arrows = Counter()
    for path in sorted(PACKAGE.rglob("*.py")):
        room = room_of(path)
        for node in imports_of(path):
            for alias in node.names:
                home = home_of(str(node.module), alias.name)
                other = "" if home is None else room_of(home)
                is_face = path.name == "__init__.py" and other.startswith(f"{room}.")
                if room and other and room != other and not is_face:
                    arrows[room, other] += 1
    return arrows


def heights(arrows: Arrows) -> dict[str, int]:
    """Return for each room the length of the longest way down; circles are an error."""
    below: dict[str, set[str]] = {}
    for room, other in arrows:
        below.setdefault(room, set()).add(other)
        below.setdefault(other, set())
    height: dict[str, int] = {}
    for room in TopologicalSorter(below).static_order():
        height[room] = max((height[other] + 1 for other in below[room]), default=0)
    return height


def package_of(room: str) -> str:
    """Return the package of a room."""
    return room.split(".")[0]


def files_in(room: str) -> int:
    """Return how many files a room has, its face aside."""
    paths = PACKAGE.joinpath(*room.split(".")).glob("*.py")
    return sum(path.name != "__init__.py" for path in paths)


def packages_in_order() -> list[str]:
    """Return the packages from the top down, in the order that import-linter checks."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    layers = settings["importlinter"]["contracts"][0]["layers"]
    names = [name.strip() for layer in layers for name in layer.split(":")]
    packages = [name.removeprefix(f"{PACKAGE.name}.") for name in names]
    return [name for name in packages if (PACKAGE / name).is_dir()]


def check_directions(arrows: Arrows, packages: list[str]) -> None:
    """Refuse a package that has no layer, and an import from a package above."""
    for room, other in arrows:
        for package in (package_of(room), package_of(other)):
            if package not in packages:
                raise SystemExit(f"pyproject.toml gives no layer to {package}.")
        if packages.index(package_of(room)) > packages.index(package_of(other)):
            raise SystemExit(f"{room} imports from {other}, which stands above it.")


def layout(
    packages: list[str], height: dict[str, int]
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Return how high each room stands, and bottom and top of each package's band."""
    centers, bands, y = {}, {}, 0.0
    for package in reversed(packages):
        rooms = [room for room in height if package_of(room) == package]
        bottom = y
        for room in sorted(rooms, key=lambda room: (height[room], room)):
            centers[room] = y + 0.5
            y += 0.84
        y += 0.16
        bands[package] = (bottom, y)
        y += 0.16
    return centers, bands


def draw_band(axes: Axes, package: str, bottom: float, top: float, color: str) -> None:
    """Draw the band of a package, its name and its first line."""
    axes.add_patch(
        FancyBboxPatch(
            (0, bottom),
            WIDTH,
            top - bottom,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=BAND,
            edgecolor="none",
        )
    )
    module = ast.parse((PACKAGE / package / "__init__.py").read_text())
    about = (ast.get_docstring(module) or "").split("\n")[0]
    middle = (bottom + top) / 2
    axes.text(
        0.2, middle + 0.18, package, va="center", fontsize=13, color=color,
        weight="bold",
    )  # fmt: skip
    axes.text(
        0.2, middle + 0.02, "\n".join(textwrap.wrap(about, 45)), va="top", fontsize=8,
        color=INK,
    )  # fmt: skip


def draw_room(axes: Axes, room: str, y: float, is_split: bool) -> None:
    """Draw the box of a room with its name and the number of its files."""
    name = DIRECT.get(room, room.split(".")[-1]) if is_split else ""
    n_files = files_in(room)
    label = f"{name}{': ' * is_split}{n_files} file{'s' * (n_files != 1)}"
    axes.add_patch(
        FancyBboxPatch(
            (BOX_LEFT, y - 0.24),
            BOX_RIGHT - BOX_LEFT,
            0.48,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor=BOX,
            edgecolor=BLUE,
            linewidth=0.8,
            zorder=3,
        )
    )
    middle = (BOX_LEFT + BOX_RIGHT) / 2
    axes.text(
        middle, y, label, ha="center", va="center", fontsize=10, color=INK, zorder=4
    )


def draw_arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    count: int,
    color: str,
    bend: float = 0.0,
) -> None:
    """Draw one arrow, the wider the more names are imported along it."""
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=9,
            color=color,
            linewidth=0.6 + 0.22 * count**0.5,
            connectionstyle=f"arc3,rad={bend}",
            shrinkA=0,
            shrinkB=0,
            zorder=2,
        )
    )


def draw(path: Path) -> None:
    """Draw the picture and save it."""
    arrows = imports_between_rooms()
    packages, height = packages_in_order(), heights(arrows)
    check_directions(arrows, packages)
    centers, bands = layout(packages, height)
    colors = {name: f"C{place}" for place, name in enumerate(packages)}
    total = max(top for _, top in bands.values())
    figure, axes = plt.subplots(figsize=(10.6, 0.66 * total), layout="constrained")
    for package, (bottom, top) in bands.items():
        draw_band(axes, package, bottom, top, colors[package])
    between: Arrows = Counter()
    for (room, other), count in arrows.items():
        if package_of(room) != package_of(other):
            between[package_of(room), package_of(other)] += count
            continue
        y0, y1 = centers[room], centers[other]
        color = colors[package_of(room)]
        if y0 - y1 < 1:  # the next room below
            middle = (BOX_LEFT + BOX_RIGHT) / 2
            draw_arrow(axes, (middle, y0 - 0.24), (middle, y1 + 0.24), count, color)
        else:
            start, end = (BOX_RIGHT, y0 - 0.08), (BOX_RIGHT, y1 + 0.12)
            draw_arrow(axes, start, end, count, color, bend=-0.35)
    for (package, other), count in between.items():
        y0, y1 = (sum(bands[name]) / 2 for name in (package, other))
        # Arrows of several packages end side by side, in the order they come from.
        place = packages.index(other) - packages.index(package)
        start = (WIDTH, y0 - 0.04 * place)
        end = (WIDTH, y1 + 0.3 - 0.05 * place)
        draw_arrow(axes, start, end, count, colors[package], bend=-0.35)
    for room, y in centers.items():
        n_rooms = sum(package_of(other) == package_of(room) for other in centers)
        draw_room(axes, room, y, is_split=n_rooms > 1)
    axes.set(xlim=(-0.05, 11.4), ylim=(-0.05, total + 0.05))
    axes.axis("off")
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    try:
        draw(ROOT / "docs" / "architecture.png")
    except CycleError as error:
        sys.exit(f"These rooms import each other in a circle: {error.args[1]}")
