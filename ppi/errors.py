"""Errors of the application: each says what is wrong, where, and what would be right."""

from __future__ import annotations


class PpiError(Exception):
    """Base of every error that `ppi` raises on purpose."""


class InputError(PpiError):
    """An input file, record or sequence is wrong."""


class ModelError(PpiError):
    """A model folder is missing, incomplete, or of another kind."""


class BackboneError(PpiError):
    """A backbone is not known, cannot be had, or its weights are of another kind."""


class StoreError(PpiError):
    """A store of embeddings is of another backbone, damaged, or cannot be written."""


class SettingsError(PpiError):
    """An option has an impossible value, or a configuration file an unknown key."""


class TrainingError(PpiError):
    """A training went wrong."""


class PpiWarning(UserWarning):
    """Something that the user should know and that does not stop the work."""
