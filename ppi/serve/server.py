"""Start a server: a socket first, then the model."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import sys
from contextlib import suppress
from dataclasses import replace

import uvicorn

from ppi.errors import InputError, SettingsError
from ppi.models.description import describe_loaded
from ppi.models.folder import find_folder
from ppi.prediction.predictor import Predictor
from ppi.serve.app import create_app
from ppi.serve.settings import ServeSettings

#: Seconds that open connections get when the server stops.
_GRACE_SECONDS = 5
#: Loads what the first prediction would wait for.
_WARM_UP = {"id": "warm-up", "ligand": "AQVINTFDGVADYLQTYHKLPDNYITKSEAQALG", "receptor": "KKAVINGEQIRSISDL"}


def serve(
    host: str,
    port: int,
    settings: ServeSettings,
    *,
    model: str = "default",
    device: str = "auto",
    store: str | os.PathLike[str] | None = None,
) -> None:
    """Answer requests until the process is interrupted.

    Parameters
    ----------
    host, port
        Where to listen. Other machines reach any address but a loopback one; then a token is needed, and
        made where none is given.
    settings
        Limits, and the token.
    model, device, store
        See `ppi.prediction.predictor.Predictor`.

    Raises
    ------
    ppi.errors.PpiError
        If the address is not free, or the model cannot be loaded.
    """
    with _bound(host, port) as listener, Predictor(model, device=device, store=store) as predictor:
        if settings.token is None and not _is_loopback(listener):
            settings = replace(settings, token=secrets.token_urlsafe(24))
            print(f"ppi serve: the token of this server is {settings.token}", file=sys.stderr)
        predictor.predict(_WARM_UP)
        app = create_app(predictor, settings, describe_loaded(predictor.trained, find_folder(model)))
        config = uvicorn.Config(
            app,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            limit_concurrency=2 * settings.open_requests,
        )
        print(f"ppi serve: http://{_shown(listener)} (Ctrl-C stops it)", file=sys.stderr, flush=True)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that holds the address, so that it is known to be free before a model is loaded."""
    if not 0 <= port <= 65_535:
        raise SettingsError(f"the port is {port}; give 1 to 65535, or 0 for any that is free")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InputError(f"the host is {host!r}, which is no address of this machine: {error}") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise InputError(
            f"cannot listen at {host}, port {port}: {error.strerror}; stop what uses the port, or choose "
            "another with --port"
        ) from error
    return listener


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _shown(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
