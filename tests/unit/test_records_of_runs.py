"""What runs record of themselves: JSON files, and what differs between two runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppi.errors import InputError, TrainingError
from ppi.io.json_files import read_json, write_json
from ppi.provenance import differences


def test_what_is_written_is_read(tmp_path: Path) -> None:
    content = {"seed": 0, "head": {"name": "hp"}, "who": "Å"}
    write_json(tmp_path / "new" / "a.json", content)
    assert read_json(tmp_path / "new" / "a.json", "") == content
    assert (tmp_path / "new" / "a.json").read_text(encoding="utf-8").startswith('{\n  "seed": 0,')


def test_damaged_and_absent_files_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(InputError, match=r"a.json: cannot be read .*; delete it"):
        read_json(path, "delete it")
    path.write_text('{"seed": ')
    with pytest.raises(TrainingError, match=r"a.json: cannot be read .*; delete it"):
        read_json(path, "delete it", TrainingError)


def test_differences_are_named_in_order() -> None:
    assert differences({"a": 1, "b": 2}, {"b": 2, "a": 1}) == []
    assert differences({"z": 1, "b": 2, "a": 0}, {"b": [2], "z": 1}) == [("a", 0, None), ("b", 2, [2])]
