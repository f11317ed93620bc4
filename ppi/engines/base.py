"""What an engine is: it runs one function over many items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from data_curation.processors import available_processors
from ppi.errors import SettingsError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Resources:
    """What the tasks of one call may use.

    Attributes
    ----------
    workers
        Tasks that run at a time; None is one for each processor that is available.

    Raises
    ------
    SettingsError
        If there is no worker.
    """

    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise SettingsError(f"the number of workers is {self.workers}; give 1 or more")

    @property
    def at_once(self) -> int:
        """How many tasks run at a time."""
        return self.workers or available_processors()


class Engine(ABC):
    """Runs a function over items."""

    @abstractmethod
    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], resources: Resources
    ) -> Iterator[Result]:
        """Yield the result of each item, in the order of the items.

        Few items are taken before their results are wanted, so that neither pile up. However this ends, also
        by an error or by Ctrl-C, no task of it runs afterwards.
        """
