"""What a screen will cost, before it starts: a model of the backbone, and a few sides that are measured."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from ppi.embedding.cache import RandomEmbeddings
from ppi.engines.base import Engine, Resources
from ppi.engines.local import LocalEngine
from ppi.errors import InputError
from ppi.io.sides import Side
from ppi.io.text import format_bytes, format_duration
from ppi.plurals import counted
from ppi.prediction.engine import units_of_complexes
from ppi.prediction.screening.memory import available_memory
from ppi.prediction.screening.output import row_bytes
from ppi.prediction.screening.preparation import Parts, Prepared, SideReader, distinct_sides
from ppi.prediction.screening.scoring import pair_of, units_of
from ppi.prediction.screening.screener import Screener
from ppi.prediction.screening.settings import ScreenSettings
from ppi.prediction.screening.targets import BLOCK_PAIRS, Targets

#: Sides of each role that are measured, and pairs for each worker where a pair costs little.
_SIDES, _PAIRS = 8, 4096
#: Bytes of a side's text and of its records, and of a pair while its block is computed.
_SIDE_BYTES, _PAIR_BYTES = 1000, 1000
#: Bytes of a row that stays in memory.
_ROW_BYTES = 200


@dataclass(frozen=True)
class Estimate:
    """What a screen costs.

    Attributes
    ----------
    ligands, receptors, pairs, rows
        How many there are, and how many rows are written at most.
    seconds
        Computing time, without predictions that start from measured complexes.
    memory_bytes
        What the sides and a block take, beside the model.
    disk_bytes
        The parts and the output, which lie beside each other while they are joined.
    store_bytes
        Embeddings that the store keeps for later, if none of them is there yet. A store that is full is no
        reason to refuse a screen.
    """

    ligands: int
    receptors: int
    pairs: int
    rows: int
    seconds: float
    memory_bytes: float
    disk_bytes: float
    store_bytes: float = 0.0

    def describe(self) -> str:
        """Return it in a line of words."""
        return (
            f"{counted(self.ligands, 'ligand')} and {counted(self.receptors, 'receptor')} in "
            f"{counted(self.pairs, 'pair')}: about "
            f"{format_duration(self.seconds)} once the model is loaded, "
            f"{format_bytes(self.memory_bytes)} of memory beside the model "
            f"and {_disk(self.disk_bytes)} of disk for at most {counted(self.rows, 'row')}"
            + (f", and {_disk(self.store_bytes)} for embeddings that are kept" if self.store_bytes else "")
        )

    def check(self, max_hours: float, folder: Path | None) -> None:
        """Raise if the screen takes too long, or more memory or disk than there is.

        Parameters
        ----------
        max_hours
            Longest time that is allowed.
        folder
            Where the output goes; None if it stays in memory.

        Raises
        ------
        InputError
            If it does; the message says what to do.
        """
        over = []
        if not self.seconds <= max_hours * 3600:
            over.append(f"longer than --max-hours {max_hours:g}")
        if folder is not None and self.disk_bytes > (free := shutil.disk_usage(folder).free):
            over.append(f"more disk than the {_disk(free)} that are free")
        needed = self.memory_bytes + (self.rows * _ROW_BYTES if folder is None else 0)
        if (memory := available_memory()) is not None and needed > memory:
            over.append(f"more memory than the {format_bytes(memory)} that there are here")
        if over:
            raise InputError(
                f"the screen is too large. {self.describe()}; this is {', and '.join(over)}. Screen fewer "
                "sides at a time, name the pairs that matter with --pairs, keep fewer rows with --top-k or "
                "--min-pkd, or allow more time with --max-hours"
            )


def estimate(
    parts: Parts,
    targets: Targets,
    settings: ScreenSettings,
    engine: Engine,
    resources: Resources,
    suffix: str,
) -> Estimate:
    """Predict the passes of the backbone, measure the rest on a few sides and their pairs, and scale up.

    The time is that of three costs: the backbone, by its arithmetic and memory traffic
    (`ppi.embedding.cost`); per residue, to pool and to search the training set; and per pair, to join two
    sides and compare them. The last two are the time that this machine takes for a few sides with random
    embeddings, over their number of residues or pairs. For a remote engine one processor of this machine is
    measured, and taken as one worker.

    Parameters
    ----------
    parts, targets, settings, engine, resources
        Arguments of the screen.
    suffix
        Suffix of the output file.
    """
    sides, _ = distinct_sides([*targets.ligands, *targets.receptors])
    some = [_spread(role, _SIDES) for role in (targets.ligands, targets.receptors)]
    few, numbers = distinct_sides([*some[0], *some[1]])
    of_backbone = _backbone_seconds(parts, targets, sides, some, truncate=settings.truncate)
    parts = replace(parts, cache=RandomEmbeddings(parts.cache))
    started = time.perf_counter()
    pooled, hits = SideReader(parts, truncate=settings.truncate)(few)
    of_residue = (time.perf_counter() - started) / _residues(few)
    ligands, receptors = np.split(numbers, [len(some[0])])
    prepared = Prepared(ligands, receptors, pooled, hits)
    share = engine.workers(resources) if engine.remote else 1
    of_pair, size = _pair_cost(
        parts, some, prepared, settings, Resources(1) if engine.remote else resources, suffix
    )
    rows = targets.rows(settings.top_k)
    largest = max((targets.size(target) for target in range(len(targets.targets))), default=0)
    of_sides = sum(array.nbytes for part in (pooled, hits) if part is not None for array in part) / len(few)
    return Estimate(
        ligands=len(targets.ligands),
        receptors=len(targets.receptors),
        pairs=targets.pairs,
        rows=rows,
        seconds=(of_backbone + of_residue * _residues(sides) + of_pair * targets.pairs) / share,
        memory_bytes=len(sides) * of_sides
        + sum(side.residues + _SIDE_BYTES for side in sides)
        + max(BLOCK_PAIRS, largest) * _PAIR_BYTES,
        disk_bytes=2 * size * rows,
        store_bytes=parts.cache.disk_bytes(_residues(sides)),
    )


def _backbone_seconds(
    parts: Parts,
    targets: Targets,
    sides: Sequence[Side],
    some: Sequence[Sequence[Side]],
    *,
    truncate: bool,
) -> float:
    """Return the predicted seconds of the backbone for all sides, or pairs, that are not embedded yet."""
    model = parts.model
    if model.encoding_unit != "complex":
        return parts.cache.seconds(units_of(model, sides, truncate=truncate))
    pairs = [pair_of(ligand, receptor) for ligand, receptor in product(*some)]
    units = units_of_complexes(model, pairs, truncate=truncate)
    return parts.cache.seconds(units) / len(pairs) * targets.pairs


def _pair_cost(
    parts: Parts,
    some: Sequence[Sequence[Side]],
    prepared: Prepared,
    settings: ScreenSettings,
    resources: Resources,
    suffix: str,
) -> tuple[float, float]:
    """Return the seconds and the bytes of a pair, with threads of this process."""
    engine = LocalEngine()
    # Pairs that cost little are repeated, so that they are as many at a time as in the screen.
    few = len(some[0]) * len(some[1])
    copies = 1 if prepared.pooled is None else max(1, _PAIRS * engine.workers(resources) // few)
    ligands, receptors = list(some[0]), list(some[1])
    numbers = prepared.ligands, prepared.receptors
    if settings.per == "receptor":
        ligands, numbers = ligands * copies, (np.tile(numbers[0], copies), numbers[1])
    else:
        receptors, numbers = receptors * copies, (numbers[0], np.tile(numbers[1], copies))
    targets = Targets(ligands, receptors, settings.per)
    everything = replace(settings, top_k=None, min_pkd=None)
    several = replace(prepared, ligands=numbers[0], receptors=numbers[1])
    screener = Screener(parts, targets, several, everything, engine, resources, anchor=False)
    block = tuple(range(len(targets.targets)))
    # At first what is made once, such as compiled trees, or units of pairs that the backbone reads together.
    next(screener.tables([block], lambda _: None))
    started = time.perf_counter()
    (frame,) = screener.tables([block], lambda _: None)
    size = row_bytes(frame, suffix)
    return (time.perf_counter() - started) / len(frame), size


def _spread(sides: Sequence[Side], count: int) -> list[Side]:
    """Return sides of all lengths, each from the middle of a part of the sides."""
    order = sorted(range(len(sides)), key=lambda number: sides[number].residues)
    count = min(count, len(sides))
    return [sides[order[(2 * part + 1) * len(sides) // (2 * count)]] for part in range(count)]


def _residues(sides: Sequence[Side]) -> int:
    return sum(side.residues for side in sides)


def _disk(count: float) -> str:
    return f"{count / 1e12:,.1f} TB" if count >= 1e12 else format_bytes(count)
