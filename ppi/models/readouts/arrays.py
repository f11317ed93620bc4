"""A read-out of one member whose parameters are a few arrays."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ppi.errors import ModelError
from ppi.models.readouts.base import ReadOut


class ArrayReadOut(ReadOut):
    """A read-out that stores its fitted parameters as named arrays.

    Parameters
    ----------
    options
        See `ReadOut`.
    """

    #: Names of the arrays.
    names: ClassVar[tuple[str, ...]]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.fitted: tuple[np.ndarray, ...] = ()

    @abstractmethod
    def shapes(self, arrays: Mapping[str, np.ndarray], width: int) -> list[tuple[int, ...]]:
        """Return the shape of each array, for features of a width."""

    def _arrays(self) -> dict[str, np.ndarray]:
        return dict(zip(self.names, self.fitted, strict=True))

    def _load(self, arrays: Mapping[str, np.ndarray], width: int, members: int) -> None:
        self.fitted = tuple(np.asarray(arrays[name]) for name in self.names)
        if [array.shape for array in self.fitted] != self.shapes(arrays, width):
            raise ModelError("the read-out is damaged: its arrays do not fit each other")
