"""The folder of an unfinished run: what it was asked to do, and the last checkpoint of each member."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from data_curation.files import atomic_file
from ppi.errors import TrainingError
from ppi.training.member import LAST

_REQUEST = "run.json"


class Workspace:
    """A folder beside the model folder that is being made; it is deleted once that is written.

    Parameters
    ----------
    output
        The model folder.
    request
        What decides the result: settings, data, backbone. A run is resumed only for the same.
    resume
        Go on with what is there.

    Raises
    ------
    TrainingError
        If checkpoints of another run are there, or of this one and `resume` is off.
    """

    def __init__(self, output: Path, request: Mapping[str, Any], *, resume: bool) -> None:
        self.folder = output.parent / f"{output.name}.unfinished"
        asked: dict[str, Any] = json.loads(json.dumps(request))
        if any(self.folder.glob(f"*/{LAST}")):
            if not resume:
                raise TrainingError(
                    f"{self.folder}: an unfinished run is there; --resume goes on with it, or delete "
                    "the folder"
                )
            self._check(asked)
        elif resume and rank_zero_only.rank == 0:
            print(f"there is no unfinished run at {self.folder}: starting anew", file=sys.stderr)
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(self.folder / _REQUEST) as temporary:
            temporary.write_text(json.dumps(asked, indent=2) + "\n")

    def member(self, number: int) -> Path:
        """Return the folder of a member, made if it is not there."""
        folder = self.folder / f"member-{number}"
        folder.mkdir(exist_ok=True)
        return folder

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder)

    def _check(self, request: dict[str, Any]) -> None:
        try:
            found = json.loads((self.folder / _REQUEST).read_text())
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"{self.folder}/{_REQUEST}: cannot be read ({error}); delete the folder"
            ) from error
        there, here = _flat(found), _flat(request)
        for name in {**there, **here}:
            if there.get(name) != here.get(name):
                raise TrainingError(
                    f"{self.folder}: the unfinished run there has {name} {there.get(name)!r}, this one "
                    f"{here.get(name)!r}; "
                    "run it as it was begun, or delete the folder"
                )


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in content.items():
        inside = isinstance(value, dict) and bool(value)
        flat |= _flat(value, f"{prefix}{name}.") if inside else {f"{prefix}{name}": value}
    return flat
