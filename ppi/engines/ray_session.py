"""The connection to a Ray cluster: one that is there, or one that is started on this machine."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from data_curation.processors import available_processors
from ppi.engines.base import Resources
from ppi.errors import SettingsError

_LOG = logging.getLogger(__name__)
_ADDRESS = "RAY_ADDRESS"
_ANSWER_SECONDS = 10.0
#: Ray reports on itself to nobody, and its own messages stay in its log folder.
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": False}


@contextmanager
def connected(resources: Resources) -> Iterator[None]:
    """Connect to a Ray cluster, and disconnect at the end; a connection that is there is used and kept.

    If ``RAY_ADDRESS`` names no cluster, and none was started on this machine by ``ray start``, one is started
    here, with a processor for each worker, and ended in the end.

    Raises
    ------
    SettingsError
        If ``RAY_ADDRESS`` names a cluster that does not answer.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    import ray._private.worker

    if ray.is_initialized():
        yield
        return
    # Ray would print the loss of a worker to standard output, which may be a table.
    ray._private.worker._worker_logs_enabled = False
    with _signals_kept():
        _LOG.info("%s", _connect(resources))
        try:
            yield
        finally:
            ray.shutdown()


def _connect(resources: Resources) -> str:
    """Connect, and return what it is connected to, in words."""
    address = os.environ.get(_ADDRESS)
    if address and address != "local":
        return _connect_to(address)
    import ray

    # Workers of one's own machine are as urgent as the program that waits for them.
    os.environ.setdefault("RAY_worker_niceness", "0")
    processors = max(resources.workers or 1, available_processors())
    try:
        # Not "auto", which would join the cluster that another program has started for itself.
        ray.init(address=address, num_cpus=processors, **_QUIET)
    except ValueError:  # There is a cluster of `ray start`, and it knows its processors.
        return _connect_to(None)
    return f"Ray: started a cluster on this machine, with {processors} processors"


def _connect_to(address: str | None) -> str:
    import ray

    try:
        if address is not None:
            _check_answers(address)
        ray.init(address=address, **_QUIET)
    except (OSError, RuntimeError, ValueError) as error:
        raise SettingsError(
            f"no Ray cluster answers at {address} ({_ADDRESS}): {' '.join(str(error).split())}. Start it, "
            f"correct the address, or unset {_ADDRESS} to start a cluster on this machine"
        ) from error
    there = ray.cluster_resources()
    counts = ", ".join(f"{there.get(kind, 0):.0f} {kind}(s)" for kind in ("CPU", "GPU"))
    return f"Ray: connected to the cluster at {ray.get_runtime_context().gcs_address} with {counts}"


def _check_answers(address: str) -> None:
    """Raise at once if nothing listens at an address, for which Ray would look for minutes."""
    if "://" in address:
        raise ValueError(
            "an address of the Ray Client; run this command on a node, with the address HOST:PORT"
        )
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Restore the handler of SIGTERM, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
