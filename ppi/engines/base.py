"""What an engine is: it runs one function over many items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, TypeVar

from data_curation.processors import available_processors
from ppi.errors import SettingsError

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Loads what a task needs, such as a model, and returns the function that runs over the items.
Setup: TypeAlias = Callable[[], Callable[[Item], Result]]


@dataclass(frozen=True)
class Resources:
    """What the tasks of one call may use.

    Attributes
    ----------
    workers
        Number of tasks that run at a time; None is one for each processor (or GPU) that is available.
    gpu
        Whether each worker needs a GPU of its own.

    Raises
    ------
    SettingsError
        If the number of workers is below 1.
    """

    workers: int | None = None
    gpu: bool = False

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise SettingsError(f"the number of workers is {self.workers}; give 1 or more")


class Engine(ABC):
    """Runs a function over items."""

    #: Whether tasks run in other processes, perhaps on other machines. A task must then be worth its way.
    remote: ClassVar[bool]

    def opened(self, resources: Resources) -> AbstractContextManager[object]:
        """Return the context in which `workers` and `map` may be called; it may be entered again inside."""
        return nullcontext()

    def workers(self, resources: Resources) -> int:
        """Return the number of tasks that run at a time."""
        return resources.workers or available_processors()

    def gpus(self) -> int:
        """Return the number of GPUs of the machines of a remote engine."""
        return 0

    @abstractmethod
    def map(
        self, setup: Setup[Item, Result], items: Iterable[Item], resources: Resources
    ) -> Generator[Result, None, None]:
        """Yield the result of each item, in the order of the items.

        Only a few items are taken before their results are wanted, so that neither of them pile up. However
        this ends, also by an error or by Ctrl-C, no task runs afterwards.

        Parameters
        ----------
        setup
            Function that each worker calls once, and that returns the function of an item. Workers that
            share their memory call it once for all. For a remote engine it can be pickled, and so can items
            and results.
        items
            Items, which are taken one by one.
        resources
            Workers that share the items.
        """
