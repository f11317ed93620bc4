"""What a scan will cost, before it starts: models of the backbones, and some mutants that are measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ppi.io.text import format_duration
from ppi.plurals import counted
from ppi.prediction.scanning.choice import Variant

#: Mutants of one complex that are measured: few, for what a complex costs anyway, and many.
_FEW, _MANY = 100, 700


@dataclass(frozen=True)
class ScanEstimate:
    """What a scan costs.

    Attributes
    ----------
    complexes, mutants
        How many there are.
    seconds
        Predicted time after the start of the process and the loading of the model.
    """

    complexes: int
    mutants: int
    seconds: float

    def describe(self) -> str:
        """Return the estimate as a line of text."""
        time = format_duration(self.seconds)
        return f"{counted(self.mutants, 'mutant')} of {counted(self.complexes, 'complex')}: about {time}"


def scan_seconds(
    variants: Sequence[Sequence[Variant]], scan: Callable[[int, Sequence[Variant]], object]
) -> float:
    """Measure some mutants of one complex, and scale up to all mutants of all complexes.

    The complex is that with the median number of mutants. Its first run includes what is loaded once; two
    further runs, over few and over many mutants, give the time of a complex and of a mutant.

    Parameters
    ----------
    variants
        Mutants of each complex.
    scan
        Function that scans some mutants of a complex, which is given by its number.
    """
    order = sorted(range(len(variants)), key=lambda number: len(variants[number]))
    number = order[len(order) // 2]
    own, others = variants[number], [len(variants[other]) for other in order if other != number]
    if len(own) <= 2 * _FEW + _MANY:
        first = _timed(scan, number, own)
        of_mutant = _timed(scan, number, own) / len(own) if others else 0.0
        return first + of_mutant * sum(others)
    # Neighbours in the list share a site, as they do in the scan; no mutant is measured twice, because
    # predicted effects are kept.
    first = _timed(scan, number, own[:_FEW])
    many = _timed(scan, number, own[_FEW : _FEW + _MANY])
    few = _timed(scan, number, own[_FEW + _MANY : 2 * _FEW + _MANY])
    of_mutant = max(0.0, many - few) / (_MANY - _FEW)
    of_complex = max(0.0, few - _FEW * of_mutant)
    return first + of_mutant * (len(own) - _FEW) + sum(of_complex + of_mutant * count for count in others)


def _timed(scan: Callable[[int, Sequence[Variant]], object], number: int, part: Sequence[Variant]) -> float:
    started = time.perf_counter()
    scan(number, part)
    return time.perf_counter() - started
