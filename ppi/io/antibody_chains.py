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

#: A header of a heavy, and of a light chain: a word anywhere, or a letter that ends the name (`H`, `mab1_L`).
_HEAVY, _LIGHT = (
    re.compile(
        rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])|^(?:\S*[^A-Za-z\s])?{letter}(?=\s|$)",
        re.IGNORECASE,
    )
    for words, letter in (("heavy|VH|HC", "H"), ("light|VL|VK|LC|kappa|lambda", "L"))
)


def warn_of_separate_chains(records: Sequence[FastaRecord], path: Path | str) -> None:
    """Warn if headers of a file, each record of which is a side, name a heavy and a light chain.

    Parameters
    ----------
    records
        All records of the file.
    path
        What the warning calls the file.
    """
    heavy, light = (
        next((record for record in records if kind.search(record.header)), None) for kind in (_HEAVY, _LIGHT)
    )
    if heavy is None or light is None or ":" in heavy.sequence + light.sequence:
        return
    warnings.warn(
        f"{path}: '>{heavy.header}' (line {heavy.line}) and '>{light.header}' (line {light.line}) look like "
        "the chains of an antibody, but each record is read as a side of its own. To make them one side, "
        "write one record with the chains joined by ':' ('>antibody', then HEAVY:LIGHT)",
        PpiWarning,
        stacklevel=3,
    )
