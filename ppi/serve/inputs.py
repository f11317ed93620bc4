"""Complexes and sides of a request, within the limits of the server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd

from ppi.errors import InputError
from ppi.io.frames import read_frame_from_text
from ppi.io.inputs import read_inputs
from ppi.io.sides import Side, read_sides, read_sides_from_text
from ppi.io.tables import ComplexTable, read_complexes_from_text
from ppi.serve.refusals import RefusedError
from ppi.serve.schemas import ComplexesRequest, Format, SidesRequest, VariantsRequest

_NAME = "the input"
#: As `ppi.prediction.adapting.reading.read_variants` takes them.
Variants: TypeAlias = "ComplexTable | pd.DataFrame"


@dataclass(frozen=True)
class MeasuredVariants:
    """Measured variants, their wild type if it is given, and a pool to choose from if it is given."""

    measured: Variants
    wild: ComplexTable | None
    pool: Variants | None


def complexes_of(request: ComplexesRequest, *, most: int, most_residues: int) -> ComplexTable:
    """Return the complexes of a request.

    Raises
    ------
    InputError
        If they are wrong, with the sentence of the command line.
    RefusedError
        If there are more complexes than `most`, or more residues than `most_residues`.
    """
    if request.text is not None:
        _check_format(request.text, request.format)
        table = read_inputs(read_complexes_from_text(request.text, _NAME))
    else:
        records = [record.model_dump(exclude_none=True) for record in request.complexes or []]
        _check_count(len(records), most, "complexes")
        table = read_inputs(records)
    _check_count(len(table), most, "complexes")
    _check_count(residues_of(table), most_residues, "residues")
    return table


def variants_of(request: VariantsRequest, *, most_measured: int, most: int) -> MeasuredVariants:
    """Return the variants of a request.

    Raises
    ------
    InputError
        If they are wrong.
    RefusedError
        If there are more than `most_measured` measured ones, or more than `most` in the pool.
    """
    wild = request.wild and request.wild.strip()
    return MeasuredVariants(
        _variants(request.measured, "the measured variants", most_measured),
        read_complexes_from_text(wild, "the wild type") if wild else None,
        None if request.pool is None else _variants(request.pool, "the pool", most),
    )


def _variants(text: str, name: str, most: int) -> Variants:
    """Return complexes of FASTA, or a table that may name them in a column ``mutant``."""
    table = read_complexes_from_text(text, name) if _is_fasta(text) else read_frame_from_text(text, name)
    _check_count(len(table), most, "variants")
    return table


def sides_of(source: SidesRequest, role: str) -> list[Side]:
    """Return the sides of a request.

    Raises
    ------
    InputError
        If they are wrong.
    """
    if source.text is None:
        return read_sides(source.sides or {}, role)
    _check_format(source.text, source.format)
    return read_sides_from_text(source.text, f"the {role}s", role)


def check_screen(
    ligands: Iterable[Side], receptors: Iterable[Side], *, most_pairs: int, most_residues: int
) -> None:
    """Refuse a screen that is too large."""
    first, second = list(ligands), list(receptors)
    _check_count(len(first) * len(second), most_pairs, "pairs")
    _check_count(sum(side.residues for side in first + second), most_residues, "residues")


def residues_of(table: ComplexTable) -> int:
    """Return the number of residues of all chains."""
    return sum(len(chain) for item in table.complexes for chain in item.chains)


def _check_format(text: str, given: Format | None) -> None:
    fasta = _is_fasta(text)
    if given == "fasta" and not fasta:
        raise InputError(f"{_NAME}: the format is fasta, but the text does not begin with '>'")
    if given == "csv" and fasta:
        raise InputError(f"{_NAME}: the format is csv, but the text begins with '>' as FASTA does")


def _is_fasta(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n").startswith(">")


def _check_count(count: int, most: int, what: str) -> None:
    if count > most:
        raise RefusedError(
            413,
            f"the request has {count:,} {what}, and this server allows {most:,}; send several smaller "
            "requests, or use the command line",
        )
