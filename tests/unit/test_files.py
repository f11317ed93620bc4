"""Files and folders that are written whole, with the permissions of any new file; and processors."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_curation.files import atomic_file, atomic_folder
from data_curation.processors import available_processors

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")


@pytest.fixture(params=[0o022, 0o027, 0o002, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_permissions_follow_the_umask(tmp_path: Path, umask: int) -> None:
    with atomic_file(tmp_path / "new.csv") as path:
        path.write_text("a")
        path.chmod(0o600)  # as some writers leave it
    assert mode(tmp_path / "new.csv") == 0o666 & ~umask
    for _ in range(2):  # a new folder, then one that exists
        with atomic_folder(tmp_path / "folder") as folder:
            (folder / "in.csv").write_text("a")
            (folder / "in.csv").chmod(0o600)
        assert mode(tmp_path / "folder") == 0o777 & ~umask
        assert mode(tmp_path / "folder" / "in.csv") == 0o666 & ~umask


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "kept.csv").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_file(tmp_path / "kept.csv") as path:
        path.write_text("new")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "folder"):
        raise ZeroDivisionError
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.csv"]
    assert (tmp_path / "kept.csv").read_text() == "old"


def test_processors_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert available_processors() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_processors() == 64
