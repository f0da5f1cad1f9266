"""The notebooks run from top to bottom, at smoke size."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path, monkeypatch):
    monkeypatch.setenv("SKAL_DEEP_SMOKE", "1")
    notebook = nbformat.read(path, as_version=4)
    assert all(
        cell.get("outputs") is not None
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
