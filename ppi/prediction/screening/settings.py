"""What a user chooses for a screen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ppi.errors import SettingsError

Role = Literal["ligand", "receptor"]


@dataclass(frozen=True)
class ScreenSettings:
    """What is kept of a screen.

    Attributes
    ----------
    per
        The side that is the target: its pairs are ranked among each other.
    top_k
        Most pairs that are kept of each target, the best ones; None for all.
    min_pkd
        Least pKd of a pair that is kept; None for any.
    truncate
        Shorten sides over the backbone's limit instead of refusing them.

    Raises
    ------
    SettingsError
        If a value is impossible.
    """

    per: Role = "receptor"
    top_k: int | None = None
    min_pkd: float | None = None
    truncate: bool = False

    def __post_init__(self) -> None:
        if self.per not in get_args(Role):
            raise SettingsError(f"per is {self.per!r}; give 'ligand' or 'receptor'")
        if self.top_k is not None and self.top_k < 1:
            raise SettingsError(f"top_k is {self.top_k}; give 1 or more, or leave it out to keep all pairs")
        if self.min_pkd is not None and not math.isfinite(self.min_pkd):
            raise SettingsError(
                f"min_pkd is {self.min_pkd}; give a number, or leave it out to keep all pairs"
            )
