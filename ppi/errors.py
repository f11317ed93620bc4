"""Errors of the application: each message says what is wrong, where, and what is allowed."""

from __future__ import annotations


class PpiError(Exception):
    """Base of every error that `ppi` raises on purpose."""


class InputError(PpiError):
    """An input file, record or sequence is wrong."""


class ModelError(PpiError):
    """A model folder is missing, incomplete, or of another kind."""


class BackboneError(PpiError):
    """A backbone is unknown, cannot be loaded, or has weights of another kind."""


class StoreError(PpiError):
    """A store of embeddings belongs to another backbone, is damaged, or cannot be written."""


class SettingsError(PpiError):
    """An option has an invalid value, or a configuration file an unknown key."""


class TrainingError(PpiError):
    """A training run failed."""


class PpiWarning(UserWarning):
    """A warning about something that does not stop the work."""
