"""Protein sequences from text files (one per line) and FASTA files, plain, gzip or xz, as a stream."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ppi.complexes import AMINO_ACIDS, REPLACED_BY_UNKNOWN, UNKNOWN
from ppi.errors import InputError

LONGEST = 100_000
_RESIDUES = (AMINO_ACIDS + UNKNOWN + REPLACED_BY_UNKNOWN).encode()
_NUCLEOTIDES = b"ACGTUN"
#: Fraction of nucleotide letters above which a corpus is rejected as not proteins.
_MOSTLY = 0.9


@dataclass
class ReadSequences:
    """The distinct sequences of a corpus, in the order of their first occurrence.

    Attributes
    ----------
    sequences
        Residues in upper case, ASCII.
    repeated
        Number of duplicates that were dropped.
    lowered
        Number of sequences with lower-case letters.
    dropped
        Number of sequences that were dropped because of invalid characters (gaps, internal stops, digits,
        others).
    first_dropped
        File, line and character of the first of them; empty if there is none.
    """

    sequences: list[bytes] = field(default_factory=list)
    repeated: int = 0
    lowered: int = 0
    dropped: int = 0
    first_dropped: str = ""


def read_sequences(paths: Sequence[Path]) -> ReadSequences:
    """Read all distinct sequences of several files.

    White space and one trailing stop (``*``) are removed; empty lines are skipped.

    Raises
    ------
    InputError
        If a file cannot be read or has no protein sequence, a sequence is longer than 100,000 residues, or
        the sequences are nucleotides; the message names the file, and the line where there is one.
    """
    read = ReadSequences()
    for path in paths:
        before = len(read.sequences)
        dropped = read.dropped
        for number, raw in _records(path):
            _add(read, raw, path, number)
        if len(read.sequences) == before:
            what = f"none of {read.dropped - dropped} sequences is a protein; first: {read.first_dropped}"
            raise InputError(
                f"{path}: {what if read.dropped > dropped else 'the file is empty'}; give one sequence a "
                "line, or FASTA"
            )
    _refuse_nucleotides(read.sequences, paths)
    distinct = list(dict.fromkeys(read.sequences))
    read.repeated, read.sequences = len(read.sequences) - len(distinct), distinct
    return read


def _add(read: ReadSequences, raw: bytes, path: Path, number: int) -> None:
    sequence = raw.upper().removesuffix(b"*")
    foreign = sequence.translate(None, _RESIDUES)
    if foreign or not sequence:
        read.dropped += 1
        what = f"{chr(foreign[0])!r} is not a residue" if foreign else "no residue"
        read.first_dropped = read.first_dropped or f"{path.name}, line {number}: {what}"
        return
    read.lowered += not raw.isupper()
    read.sequences.append(sequence)


def _refuse_nucleotides(sequences: Sequence[bytes], paths: Sequence[Path]) -> None:
    residues = sum(map(len, sequences))
    others = sum(len(sequence.translate(None, _NUCLEOTIDES)) for sequence in sequences)
    if 1 - others / residues > _MOSTLY:
        raise InputError(
            f"{', '.join(map(str, paths))}: {1 - others / residues:.0%} of the letters are A, C, G, T, U or "
            "N, as in nucleotides; give protein sequences"
        )


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each sequence without white space, with the number of its first line."""
    fasta: bool | None = None
    start, parts, length = 0, list[bytes](), 0
    for number, line in _lines(path):
        if fasta is None and line:
            fasta = line.startswith(b">")
        if not fasta:
            if line:
                yield number, line
        elif line.startswith(b">"):
            if start:
                yield start, b"".join(parts)
            start, parts, length = number, [], 0
        else:
            length += len(line)
            _check_length(path, number, length)
            parts.append(line)
    if start:
        yield start, b"".join(parts)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield lines without white space, numbered from 1."""
    try:
        with _open(path) as file:
            number = 0
            # A file without line breaks must not fill the memory. The limit is doubled to allow for white
            # space.
            while line := file.readline(2 * LONGEST):
                number += 1
                text = b"".join(line.split())
                if number == 1:
                    text = text.removeprefix(b"\xef\xbb\xbf")
                if not text.startswith(b">"):
                    _check_length(path, number, len(text))
                yield number, text
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"{path}: cannot be read ({reason})") from error


def _check_length(path: Path, number: int, length: int) -> None:
    if length > LONGEST:
        raise InputError(
            f"{path}, line {number}: a sequence of more than {LONGEST:,} residues; give one sequence a "
            "line, or FASTA"
        )


def _open(path: Path) -> BinaryIO | gzip.GzipFile | lzma.LZMAFile:
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    return lzma.open(path) if magic == b"\xfd7zXZ\x00" else path.open("rb")
