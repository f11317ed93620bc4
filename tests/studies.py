"""Files of small studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GRID: dict[str, Any] = {"grid": {"head": ["hp", "ec"]}, "fixed": {"mixer": "none", "max_epochs": 2}}


def write_study(folder: Path, table_path: Path, **content: Any) -> Path:
    """Write the YAML of a small study of two heads and two seeds into a folder."""
    path = folder / "study.yaml"
    path.write_text(
        json.dumps({"data": str(table_path), "splits": "split", "seeds": [0, 1], **GRID, **content})
    )
    return path
