"""Where the rows of a table stand in the file of a user, for messages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """The source of a table.

    Attributes
    ----------
    source
        Name of the file, or what else the table is.
    header
        Names of its columns, also of those that are read into another one, such as ``Kd (nM)``.
    rows
        Number of each row in the source, counted from 1 without the header.
    """

    source: str
    header: tuple[str, ...]
    rows: tuple[int, ...]
