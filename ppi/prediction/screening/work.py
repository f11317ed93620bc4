"""The work folder of a screen: what is done of it, and for which inputs and settings."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from data_curation.errors import OutputError
from ppi.errors import InputError
from ppi.io.json_files import read_json, write_json
from ppi.io.sides import Side
from ppi.models.files import WEIGHTS_HASH
from ppi.prediction.screening.output import check_output, join_parts
from ppi.prediction.screening.preparation import SIDE_RESIDUES, Parts
from ppi.prediction.screening.settings import ScreenSettings
from ppi.prediction.screening.targets import BLOCK_PAIRS, Targets
from ppi.provenance import DISTRIBUTION, code_provenance, differences

_LOG = logging.getLogger(__name__)
_MANIFEST, _LOCK, _SIDES = "manifest.json", "lock", "sides-*.npz"
#: Packages that may change a byte of the result.
_VERSIONS = (DISTRIBUTION, "torch", "numpy", "scikit-learn", "pandas", "pyarrow")


class WorkFolder:
    """Keeps the finished blocks of a screen beside its output until all are there.

    Parameters
    ----------
    output
        What is written in the end.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output.with_name(f"{output.name}.unfinished")

    def check(self, resume: bool) -> None:
        """Raise if there is an unfinished screen that is not to be continued.

        Raises
        ------
        data_curation.errors.OutputError
            If there is.
        """
        if self.path.exists() and not resume:
            raise OutputError(
                f"{self.path} holds an unfinished screen; continue it with --resume, or remove this folder"
            )

    @contextmanager
    def opened(self, pins: Mapping[str, Any]) -> Iterator[None]:
        """Hold the folder for this process, made for these inputs and settings, or continued.

        Raises
        ------
        InputError
            If it is of other inputs or settings.
        data_curation.errors.OutputError
            If it cannot be written, or another process is at it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.path / _LOCK, timeout=0).acquire()
        except filelock.Timeout as error:
            raise OutputError(f"another process works in {self.path}; wait until it has ended") from error
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from error
        try:
            self._pin(json.loads(json.dumps(pins)))
            yield
        finally:
            over = not any(self.path.glob(_SIDES))  # nothing is there to continue
            lock.lock.release()
            # Only now: a file that is open cannot be removed from every file system.
            if over:
                shutil.rmtree(self.path, ignore_errors=True)

    def part(self, number: int) -> Path:
        """Return the file of a block."""
        return self.path / f"part-{number:07d}{self.output.suffix}"

    def sides(self, number: int) -> Path:
        """Return the file of what is known of some sides."""
        return self.path / _SIDES.replace("*", f"{number:07d}")

    def finish(self, blocks: int) -> int:
        """Join blocks, numbered from 1, into the output, and return the number of rows.

        Nothing is left to continue, so the folder goes when it is closed.

        Raises
        ------
        data_curation.errors.OutputError
            If the output exists by now, or cannot be written.
        """
        joined = self.path / f"joined{self.output.suffix}"
        rows = join_parts((self.part(number) for number in range(1, blocks + 1)), joined)
        check_output(self.output)
        joined.rename(self.output)
        for path in self.path.glob(_SIDES):
            path.unlink()
        return rows

    def _pin(self, pins: Mapping[str, Any]) -> None:
        path = self.path / _MANIFEST
        if not path.exists():
            write_json(path, pins)
            return
        found = differences(read_json(path, "remove its folder"), pins)
        if found:
            listed = "; ".join(f"{name} was {before!r} and is {now!r}" for name, before, now in found)
            raise InputError(
                f"{self.path} is of another screen: {listed}. Give the same inputs and settings again, or "
                "another output, or remove this folder"
            )
        _LOG.info("continuing the screen in %s", self.path)


def pins_of(parts: Parts, targets: Targets, settings: ScreenSettings, device: str) -> dict[str, Any]:
    """Return all that the result depends on, by name."""
    packages = code_provenance()["packages"]
    listed = [] if targets.order is None else [targets.order.tobytes(), np.asarray(targets.starts).tobytes()]
    return {
        "model": parts.trained.name,
        "weights": parts.trained.manifest.get(WEIGHTS_HASH),
        "backbone": parts.model.backbone.identity,
        "calibration": _digest([json.dumps(asdict(parts.trained.calibration)).encode()]),
        "novelty": parts.index is not None,
        "device": device,
        "ligands": _digest(_lines(targets.ligands)),
        "receptors": _digest(_lines(targets.receptors)),
        "pairs": _digest(listed) if listed else "all",
        "block_pairs": BLOCK_PAIRS,
        "side_residues": SIDE_RESIDUES,
        **asdict(settings),
        **{name: packages.get(name) for name in _VERSIONS},
    }


def _lines(sides: Sequence[Side]) -> Iterable[bytes]:
    return (f"{side.id}\t{':'.join(side.chains)}\t{side.notes}\n".encode() for side in sides)


def _digest(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()[:16]
