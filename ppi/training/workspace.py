"""The folder of an unfinished run, with its request and the last checkpoint of each member."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from lightning.pytorch.utilities import rank_zero_only

from ppi.errors import TrainingError
from ppi.io.json_files import read_json, write_json
from ppi.provenance import differences
from ppi.training.member import LAST

_LOG = logging.getLogger(__name__)
_REQUEST, _LOCK = "run.json", "lock"


class Workspace:
    """A folder beside the new model folder; it is deleted when the model folder is written.

    Inside a ``with`` block it is locked, so that no second run writes the same model. The operating system
    frees the lock when the process ends, however it ends.

    Parameters
    ----------
    output
        The model folder.
    resume
        Continue an unfinished run.
    """

    def __init__(self, output: Path, *, resume: bool) -> None:
        self.output, self.resume = output, resume
        self.folder = output.parent / f"{output.name}.unfinished"
        self._lock = FileLock(self.folder / _LOCK)
        # The other processes of a run share the lock of the first one.
        self._first = rank_zero_only.rank == 0

    def __enter__(self) -> Workspace:
        """Lock the folder.

        Raises
        ------
        TrainingError
            If another run holds the lock.
        """
        if self._first:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout as error:
                raise TrainingError(
                    f"{self.output}: another run is training this model now (it holds "
                    f"{self.folder / _LOCK}); wait until it ends, or choose another output folder"
                ) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock, and delete the folder if it is otherwise empty."""
        if self._first and self.folder.exists() and [self.folder / _LOCK] == list(self.folder.iterdir()):
            self.remove()
        self._lock.release()

    def begin(self, request: Mapping[str, Any]) -> None:
        """Check that existing checkpoints belong to this run, and write its request.

        Parameters
        ----------
        request
            Settings, data and backbone, which determine the result; only a run with the same request is
            resumed.

        Raises
        ------
        TrainingError
            If there are checkpoints of another run, or of this one and `resume` is off.
        """
        requested: dict[str, Any] = json.loads(json.dumps(request))
        if self._started:
            if not self.resume:
                raise TrainingError(
                    f"{self.folder}: there is an unfinished run; continue it with --resume, or delete the "
                    "folder"
                )
            self._check(requested)
        elif self.resume and self._first:
            _LOG.info("there is no unfinished run at %s; starting a new one", self.folder)
        if self._first:
            write_json(self.folder / _REQUEST, requested)

    @property
    def recorded(self) -> dict[str, Any]:
        """The request of an unfinished run that has checkpoints; empty if there is none.

        Raises
        ------
        TrainingError
            If it is damaged.
        """
        return read_json(self.folder / _REQUEST, "delete the folder", TrainingError) if self._started else {}

    def member(self, number: int) -> Path:
        """Return the folder of a member; it is created if it does not exist."""
        folder = self.folder / f"member-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove(self) -> None:
        """Delete the folder, the lock last, and release the lock."""
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _started(self) -> bool:
        return any(self.folder.glob(f"*/{LAST}"))

    def _check(self, request: dict[str, Any]) -> None:
        for name, there, here in differences(_flat(self.recorded), _flat(request)):
            raise TrainingError(
                f"{self.folder}: the unfinished run has {name} {there!r}, but this one has {here!r}; use the "
                "same settings and data, or delete the folder"
            )


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in content.items():
        inside = isinstance(value, dict) and bool(value)
        flat |= _flat(value, f"{prefix}{name}.") if inside else {f"{prefix}{name}": value}
    return flat
