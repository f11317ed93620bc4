"""Errors of the curation: each message says what is wrong, where, and what is allowed."""

from __future__ import annotations


class CurationError(Exception):
    """Base of every error that `data_curation` raises on purpose."""


class SourceError(CurationError):
    """A raw table cannot be read: a missing file or column, or an impossible value."""


class OutputError(CurationError):
    """A result cannot be written to the requested path."""


class MMseqsError(CurationError):
    """MMseqs2 is absent, or one of its runs failed."""


class AssignmentError(CurationError):
    """A split cannot be made or is invalid: a wrong ratio, an unknown part, a missing complex."""


class StructureError(CurationError):
    """A structure file cannot be read."""


class MutationError(CurationError):
    """A mutation is not written in an accepted form, or does not fit its structure."""
