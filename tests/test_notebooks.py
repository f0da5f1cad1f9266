"""The notebooks run, with the solutions of exercises; what is stored is current."""

import re
from itertools import pairwise

import nbformat
import pytest
from jupyter_client import KernelManager
from nbclient import NotebookClient
from test_pages import script

run_notebooks = script("run_notebooks")
NOTEBOOKS = run_notebooks.notebooks()
# Columns that say how fast and how large this machine is.
_OF_THE_MACHINE = ("s queries", "s fits", "s fit", "peak MiB")
_NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
# Another processor sums in another order, and a training carries that on.
_NEAR = 0.03


# Its nets take a minute at the smallest of sizes.
_LONG = "10_grid_search_over_strategies"
# A full run checks strategies on images, too, and plays in other processes.
_SHORTER = """\
import gc
from functools import partial
import joblib
from skal_deep import evaluation

check = partial(evaluation.check_query_strategy, data=("vectors",))
evaluation.check_query_strategy = check
joblib.parallel_config("threading")
gc.freeze()"""
_FORGET = "%reset -f\nfrom matplotlib.pyplot import close\nclose('all')\ndel close"


@pytest.fixture(scope="module")
def kernels():
    """Yield a list of the kernel that runs, if any, to be shut down in the end."""
    running = []
    yield running
    for kernel in running:
        kernel.shutdown_kernel()


@pytest.fixture
def kernel(kernels, monkeypatch):
    """Return the kernel of the notebook before, or one that is started now, and a cell.

    The cell makes the kernel ready for the next notebook.

    To start a process and import torch takes longer than most notebooks at this size.
    Each has a kernel of its own where the stored texts are looked at, nightly.
    """
    monkeypatch.setenv("SKAL_DEEP_SMOKE", "1")
    if kernels:
        return kernels[0], _FORGET
    kernels.append(KernelManager(kernel_name="python3"))
    kernels[0].start_kernel()
    return kernels[0], f"{_SHORTER}\n{_FORGET}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=pytest.mark.nightly if path.stem == _LONG else ())
        for path in NOTEBOOKS
    ],
    ids=lambda path: path.stem,
)
def test_notebook(path, kernel, kernels):
    notebook = nbformat.read(path, as_version=4)
    assert all(
        cell.get("outputs") is not None
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
    notebook = run_notebooks.with_solutions(notebook)
    manager, beginning = kernel
    notebook.cells.insert(0, nbformat.v4.new_code_cell(beginning))
    client = NotebookClient(notebook, timeout=120, km=manager)
    try:
        client.execute()
    except BaseException:
        kernels.pop().shutdown_kernel(now=True)
        raise
    finally:
        client.kc.stop_channels()


@pytest.mark.parametrize(
    ("before", "after"), list(pairwise(NOTEBOOKS)), ids=lambda path: path.stem
)
def test_one_leads_to_the_next(before, after):
    first, second = (nbformat.read(path, 4).cells[0].source for path in (before, after))
    assert f"]({after.name})" in first
    assert f"]({before.name})" in second


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_exercises_have_hidden_solutions(path):
    cells = nbformat.read(path, 4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert text.count("<details><summary>Solution</summary>") >= 3
    assert "$" in text  # a formula


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_solutions_are_run(path):
    cells = run_notebooks.with_solutions(nbformat.read(path, 4)).cells
    solutions = [cell for cell in cells if cell.metadata.get("is_solution")]
    assert len(solutions) >= 3, "what a solution says is shown by code"
    compared = [cell for cell in solutions if not cell.metadata.is_open]
    assert compared, "a solution says what its code prints"
    for cell in compared:
        assert printed(cell), f"python docs/run_notebooks.py {path.stem[:2]}"


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_tables_and_verdicts_are_current(path, monkeypatch):
    """A full run, some minutes: each text that it prints is the one that is stored."""
    monkeypatch.delenv("SKAL_DEEP_SMOKE", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    stored, fresh = (
        run_notebooks.with_solutions(nbformat.read(path, as_version=4))
        for _ in range(2)
    )
    run_notebooks.execute(fresh)
    faults = [
        f"cell {number}: {fault}"
        for number, (old, new) in enumerate(zip(stored.cells, fresh.cells, strict=True))
        if old.cell_type == "code" and not old.metadata.get("is_open")
        for fault in differences(printed(old), printed(new))
    ]
    renew = f"Run docs/run_notebooks.py {path.stem[:2]} and read the notebook's text."
    assert not faults, "\n".join([renew, *faults])


def printed(cell):
    """Return the lines of text that a cell shows, those of its tables, too."""
    # A stream may come in any number of pieces.
    stream = "".join(output.get("text", "") for output in cell.outputs)
    shown = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    shown = [text for text in shown if not text.startswith("<Figure")]
    return [
        line for text in (stream, *shown) for line in without_machine(text.splitlines())
    ]


def without_machine(lines):
    """Return lines of tables without the columns that depend on the machine.

    The rule below the names of the columns says where each of them begins and ends.
    """
    rules = [i for i, line in enumerate(lines) if re.fullmatch(r"-+(  -+)+", line)]
    if not rules:
        return lines
    rule = rules[0]
    spans = [match.span() for match in re.finditer("-+", lines[rule])]
    kept = [
        span
        for span in spans
        if lines[rule - 1][slice(*span)].strip() not in _OF_THE_MACHINE
    ]
    end = next((i for i in range(rule, len(lines)) if not lines[i].strip()), len(lines))
    end = min([end, *(i - 1 for i in rules[1:])])  # or the names of the next table
    table = [
        "  ".join(line[slice(*span)].strip() for span in kept)
        for line in lines[rule - 1 : end]
    ]
    return lines[: rule - 1] + table + without_machine(lines[end:])


def differences(old, new):
    """Yield what two texts differ in: words at all, numbers by more than a little."""
    if len(old) != len(new):
        yield f"{len(old)} lines are stored, {len(new)} came"
        return
    for was, now in zip(old, new, strict=True):
        if _NUMBER.sub("#", was) != _NUMBER.sub("#", now):
            yield f"stored {was!r}, came {now!r}"
            continue
        pairs = [
            tuple(float(number.replace(",", "")) for number in numbers)
            for numbers in zip(_NUMBER.findall(was), _NUMBER.findall(now), strict=True)
        ]
        if any(abs(a - b) > _NEAR * max(1, abs(a), abs(b)) for a, b in pairs):
            yield f"stored {was!r}, came {now!r}"


TABLE = [
    "strategy  area   verdict                 s queries",
    "--------  -----  ----------------------  ---------",
    "random    0.811  baseline                      9.0",
    "bald      0.797  no difference detected       12.1",
    "",
    "5 repeats are too few.",
]


@pytest.mark.parametrize(
    ("line", "text", "is_found"),
    [
        (2, "random    0.811  baseline                    900.0", False),
        (2, "random    0.812  baseline                      9.0", False),
        (2, "random    0.911  baseline                      9.0", True),
        (3, "bald      0.797  better                       12.1", True),
        (5, "6 repeats are too few.", True),
        (5, "5 repeats suffice.", True),
        (0, "strategy  mean   verdict                 s queries", True),
    ],
)
def test_what_counts_as_stale(line, text, is_found):
    new = [*TABLE]
    new[line] = text
    found = [*differences(without_machine(TABLE), without_machine(new))]
    assert bool(found) == is_found


def test_a_second_table_has_no_columns_of_the_machine_either():
    other = [TABLE[2].replace("9.0", "900.0")]
    twice = [*TABLE, *TABLE], [*TABLE, *TABLE[:2], *other, *TABLE[3:]]
    assert not [*differences(*map(without_machine, twice))]


def test_tables_may_follow_one_another_without_a_break():
    wide = [
        "strategy  final accuracy   area  verdict                 s queries",
        "--------  --------------  -----  ----------------------  ---------",
        "bald               0.826  0.797  no difference detected       12.1",
    ]
    stored, slower, worse = (
        without_machine([*wide, *TABLE[:3], row])
        for row in (
            TABLE[3],
            TABLE[3].replace("12.1", " 2.4"),
            TABLE[3].replace("0.797", "0.697"),
        )
    )
    assert not [*differences(stored, slower)]
    assert [*differences(stored, worse)]


def test_another_number_of_lines_is_stale():
    assert [*differences(TABLE, TABLE[:-1])]


EXERCISE = """\
1. How much?

<details><summary>Solution</summary>

Two.

```python
n += 1
print(n)
```

```text
old
```

</details>

2. And how long?

<details><summary>Solution</summary>

```python
import time

print(n, time.time())
```

</details>"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_solution_prints_is_written_below_it(tmp_path):
    path = tmp_path / "notebook.ipynb"
    new_code, new_text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    cells = [new_code("n = 1\nprint(n)"), new_text(EXERCISE), new_code("print(n)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    old = run_notebooks.with_solutions(nbformat.read(path, 4))
    run_notebooks.store(path)
    stored = nbformat.read(path, 4)
    assert stored.cells[1].source == EXERCISE.replace("old", "2")
    # A solution leaves the notebook, and the next solution, what it found.
    assert [printed(stored.cells[place]) for place in (0, 2)] == [["1"], ["1"]]
    of_solutions = [cell.metadata for cell in old.cells if "is_open" in cell.metadata]
    assert [each.is_open for each in of_solutions] == [False, True]


def test_pieces_of_a_stream_are_one():
    whole, pieces = (
        nbformat.v4.new_code_cell(
            outputs=[
                *(nbformat.v4.new_output("stream", text=text) for text in texts),
                nbformat.v4.new_output("display_data", {"text/plain": "<Figure 1>"}),
                nbformat.v4.new_output("execute_result", {"text/plain": "0.5"}),
            ]
        )
        for texts in (["mean 0.79\n"], ["mean ", "0.79\n"])
    )
    assert printed(whole) == printed(pieces) == ["mean 0.79", "0.5"]
