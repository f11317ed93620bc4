"""A cell of a study as a task of a Ray cluster, whose nodes see the folder of the study."""

from __future__ import annotations

import logging
from typing import Any

import ray
from ray.exceptions import RayError

from ppi.study.launching import CellTask, start_process

_LOG = logging.getLogger(__name__)
#: Times that a cell is started again after its worker or node was lost; it resumes from its last epoch.
_RETRIES = 3


class RayCell:
    """A cell on a node of the cluster."""

    def __init__(self, task: CellTask) -> None:
        run: Any = ray.remote(_run).options(
            num_cpus=task.threads, num_gpus=int(task.device == "cuda"), max_retries=_RETRIES
        )
        self._name, self._reference = task.name, run.remote(task)

    def poll(self) -> int | None:
        ready, _ = ray.wait([self._reference], timeout=0)
        if not ready:
            return None
        try:
            return int(ray.get(self._reference))
        except RayError as error:
            first = next(iter(str(error).splitlines()), "")
            _LOG.error("%s: its worker was lost %d times: %s", self._name, 1 + _RETRIES, first)
            return 1

    def terminate(self) -> None:
        # The worker ends, and the process of the cell with it.
        ray.cancel(self._reference, force=True)

    def end(self) -> None:
        ray.wait([self._reference], timeout=None)


def _run(task: CellTask) -> int:
    """Run a cell on this node; return the exit status of its process."""
    return start_process(task).wait()
