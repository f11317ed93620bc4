"""Every notebook runs from its first cell to its last."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from conftest import REPOSITORY
from nbclient import NotebookClient

NOTEBOOKS = sorted((REPOSITORY / "docs" / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    found = {path.stem for path in NOTEBOOKS}
    assert found >= {"adapt", "explain", "mixer", "predict", "scan", "screen", "train"}


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(REPOSITORY)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=folder).execute()
    assert [cell for cell in notebook.cells if cell.cell_type == "code"][-1].outputs
