"""Run notebooks at full size, and store what they show and what their solutions print.

``python docs/run_notebooks.py 05 12`` runs those whose names begin so, without a name
all of them, a minute each. A solution of an exercise may hold a ``python`` block, which
runs after the cells above it. Where a ``text`` block follows, it holds what is printed.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
_SOLUTION = re.compile(r"<details><summary>Solution</summary>(.*?)</details>", re.S)
_BLOCK = re.compile(r"(```python\n)(.*?)(\n```\n)(?:(\n```text\n)(.*?)(```\n))?", re.S)
# A reader does one exercise: what a solution names or changes is gone for the next.
_KEEP = "_kept = dict(globals())"
_RESTORE = """\
for _name in set(globals()) - set(_kept) - {"_kept"}:
    del globals()[_name]
globals().update(_kept)"""


def notebooks(*beginnings: str) -> list[Path]:
    """Return the notebooks whose names begin so, or all."""
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    return [path for path in paths if path.name.startswith(beginnings or "")]


def with_solutions(notebook: Any) -> Any:
    """Return a notebook in which the code of each solution is a cell below its text.

    Its outputs are what the text says that it prints; a solution that does not say so,
    such as one that measures time, has the metadata ``is_open``.
    """
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type != "markdown":
            continue
        for solution in _SOLUTION.findall(cell.source):
            blocks = _BLOCK.findall(solution)
            if not blocks:
                continue
            cells.append(nbformat.v4.new_code_cell(_KEEP))
            for _, source, _, begins, printed, _ in blocks:
                code = nbformat.v4.new_code_cell(source)
                code.metadata = {"is_solution": True, "is_open": not begins}
                code.outputs = [nbformat.v4.new_output("stream", text=printed)]
                cells.append(code)
            cells.append(nbformat.v4.new_code_cell(_RESTORE))
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def execute(notebook: Any, timeout: int = 3000) -> None:
    """Run all cells of a notebook in one kernel, and put their outputs into it."""
    options = {"kernel_name": "python3", "record_timing": False}
    NotebookClient(notebook, timeout=timeout, **options).execute()


def store(path: Path) -> None:
    """Run a notebook and its solutions, and write into its file what they show."""
    notebook = nbformat.read(path, as_version=4)
    fresh = with_solutions(notebook)
    execute(fresh)
    of_text = [cell for cell in fresh.cells if cell.cell_type == "markdown"]
    solutions = iter(cell for cell in fresh.cells if cell.metadata.get("is_solution"))

    def renewed(block: re.Match[str]) -> str:
        """Return a block of code, and below it what it printed now."""
        begin, source, end, begins, _, ends = block.groups()
        outputs = next(solutions).outputs
        if begins is None:
            return block[0]
        text = "".join(output.get("text", "") for output in outputs)
        return f"{begin}{source}{end}{begins}{text.rstrip()}\n{ends}"

    for cell in of_text:
        cell.source = _SOLUTION.sub(
            lambda solution: _BLOCK.sub(renewed, solution[0]), cell.source
        )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = merged(cell.outputs)
    nbformat.write(notebook, path)


def merged(outputs: list[Any]) -> list[Any]:
    """Return outputs in which a stream that came in pieces is one."""
    whole: list[Any] = []
    for output in outputs:
        if whole and output.output_type == whole[-1].output_type == "stream":
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def main() -> None:
    """Run notebooks from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="how names of notebooks begin")
    for path in notebooks(*parser.parse_args().names):
        print(path.name, flush=True)
        store(path)


if __name__ == "__main__":
    main()
