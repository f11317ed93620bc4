"""Warn where the two chains of one antibody are read as two sides."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ppi.errors import PpiWarning

if TYPE_CHECKING:
    from ppi.io.fasta import FastaRecord

#: Words in the header of a heavy, and of a light chain.
_HEAVY, _LIGHT = (
    re.compile(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])", re.IGNORECASE)
    for words in ("heavy|VH|HC", "light|VL|VK|LC")
)
#: A name that ends in a letter of its own: `H`, `mab1_L`.
_LETTERED = re.compile(r"(?P<stem>(?:\S*[_\-|.])?)(?P<letter>[HL])(?=\s|$)", re.IGNORECASE)


def warn_of_separate_chains(records: Sequence[FastaRecord], path: Path | str) -> None:
    """Warn if headers of a file, each record of which is a side, name a heavy and a light chain.

    Parameters
    ----------
    records
        All records of the file.
    path
        What the warning calls the file.
    """
    heavy, light = _by_word(records) or _by_letter(records) or (None, None)
    if heavy is None or light is None or ":" in heavy.sequence + light.sequence:
        return
    warnings.warn(
        f"{path}: '>{heavy.header}' (line {heavy.line}) and '>{light.header}' (line {light.line}) look like "
        "the chains of an antibody, but each record is read as a side of its own. To make them one side, "
        "write one record with the chains joined by ':' ('>antibody', then HEAVY:LIGHT)",
        PpiWarning,
        stacklevel=3,
    )


def _by_word(records: Sequence[FastaRecord]) -> tuple[FastaRecord, FastaRecord] | None:
    heavy, light = (
        next((record for record in records if kind.search(record.header)), None) for kind in (_HEAVY, _LIGHT)
    )
    return (heavy, light) if heavy is not None and light is not None else None


def _by_letter(records: Sequence[FastaRecord]) -> tuple[FastaRecord, FastaRecord] | None:
    """Return the first two records whose names are the same but for the letter."""
    found = {}
    for record in records:
        if name := _LETTERED.match(record.header):
            found[name["stem"], name["letter"].upper()] = record
            stem = name["stem"]
            if (stem, "H") in found and (stem, "L") in found:
                return found[stem, "H"], found[stem, "L"]
    return None
