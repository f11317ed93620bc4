"""Errors of the curation: each says what is wrong, where, and what would be right."""

from __future__ import annotations


class CurationError(Exception):
    """Base of every error that `data_curation` raises on purpose."""


class SourceError(CurationError):
    """A raw table cannot be read: a missing file or column, or an impossible value."""


class OutputError(CurationError):
    """A result cannot be written where it was asked for."""


class MMseqsError(CurationError):
    """MMseqs2 is absent, or one of its runs failed."""


class AssignmentError(CurationError):
    """A split cannot be made or is not a split: a wrong ratio, an unknown part, a missing complex."""


class StructureError(CurationError):
    """A structure file cannot be read."""


class MutationError(CurationError):
    """A mutation is not written in an accepted form, or does not fit its structure."""
