"""JSON files in which a run records its task and its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_curation.files import atomic_file
from ppi.errors import InputError, PpiError


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object as indented JSON; an existing file is replaced when the new one is complete.

    Raises
    ------
    data_curation.errors.OutputError
        If the file cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path, advice: str, error: type[PpiError] = InputError) -> dict[str, Any]:
    """Read an object from a JSON file.

    Parameters
    ----------
    path
        Path of the file.
    advice
        What to do if it cannot be read; the message ends with it.
    error
        Class of the error that is raised then.

    Raises
    ------
    PpiError
        An `error`, if there is no such file, or it is damaged.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise error(f"{path}: cannot be read ({reason}); {advice}") from reason
    return content
