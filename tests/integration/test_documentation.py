"""The blocks of the README and of guides run, from the first to the last."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY
from documented import Block, blocks

import ppi

#: Guides whose blocks name only files that exist; benchmarks in them need data that do not ship.
GUIDES = ("predict", "scan", "adapt", "suggest")


def run(block: Block, folder: Path) -> str:
    """Run a block as a user would, and return what it prints."""
    command = [sys.executable, "-c"] if block.language == "python" else ["bash", "-euo", "pipefail", "-c"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [*command, block.text], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{block.text}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder like that of the repository, with a table of one's own."""
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    shutil.copytree(REPOSITORY / "scripts", tmp_path / "scripts")
    shutil.copy(tmp_path / "examples" / "hyhel10_lysozyme.fasta", tmp_path / "new.fasta")
    frame = ppi.load_dataset()
    exact = frame[frame["censored"].fillna("") == ""].drop_duplicates("cluster")
    mine = exact.sample(200, random_state=0)[["id", "ligand", "receptor", "pkd"]]
    mine.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= 150


def test_ci_runs_the_commands_of_the_readme() -> None:
    install, test = (block.text.strip() for block in blocks(REPOSITORY / "README.md")[:2])
    script = (REPOSITORY / ".ci" / "run").read_text()
    assert '-c constraints.txt -e ".[dev]"' in install
    assert '--constraint constraints.txt --editable ".[dev]"' in script
    assert test.removeprefix(".venv/bin/") in script


def test_the_python_of_the_readme_prints_what_it_says(folder: Path) -> None:
    page = blocks(REPOSITORY / "README.md")
    number = next(index for index, block in enumerate(page) if block.language == "python")
    printed = run(page[number], folder).splitlines()
    assert [line.split() for line in printed] == [line.split() for line in page[number + 1].text.splitlines()]


@pytest.mark.slow
def test_the_commands_of_the_readme_run(folder: Path) -> None:
    for block in blocks(REPOSITORY / "README.md")[2:]:
        if block.language == "bash":
            run(block, folder)


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_runs(guide: str, folder: Path) -> None:
    for block in blocks(REPOSITORY / "docs" / "guides" / f"{guide}.md"):
        if block.language in ("bash", "python") and "benchmark" not in block.text:
            run(block, folder)
