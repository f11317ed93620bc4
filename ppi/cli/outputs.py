"""Outputs of a verb, checked before the work begins."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ppi.errors import InputError


def checked_outputs(table: Path | None, others: Iterable[Path | None], sources: Iterable[Path]) -> list[Path]:
    """Return the outputs that are wanted.

    Parameters
    ----------
    table
        Output whose suffix says its format.
    others
        Further outputs.
    sources
        Files that are read; none is overwritten.

    Raises
    ------
    InputError
        If two outputs have one name, or the suffix of the table is not known.
    data_curation.errors.OutputError
        If an output cannot be written, or is a source.
    """
    from data_curation.files import check_writable_file, refuse_overwriting
    from ppi.io.predictions import check_suffix

    outputs = [path for path in (table, *others) if path is not None]
    if len({path.absolute() for path in outputs}) < len(outputs):
        raise InputError("two outputs have one name; give each a file of its own")
    if table is not None:
        check_suffix(table)
    read = list(sources)
    for path in outputs:
        check_writable_file(path)
        refuse_overwriting(path, read)
    return outputs
