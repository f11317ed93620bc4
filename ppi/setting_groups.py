"""Groups in which the help of the command line lists settings; each setting names its own."""

from __future__ import annotations

from enum import Enum


class SettingGroup(Enum):
    """The group of a setting, in ``Annotated``; fields of a nested class have the group of that class."""

    DATA = "Data"
    OUTPUT = "Output"
    MODEL = "Model"
    TUNING = "Tuning"
    OPTIMISATION = "Optimisation"
    HARDWARE = "Hardware"
    #: Training finds the value: it is saved with the model, but it is neither a setting nor a flag.
    FOUND = "Found by training"
