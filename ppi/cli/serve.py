"""`ppi serve`."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from ppi.cli.groups import HARDWARE, LIMITS, MODEL, SERVER
from ppi.errors import InputError


def serve(
    *,
    host: Annotated[str, SERVER] = "127.0.0.1",
    port: Annotated[int, SERVER] = 8000,
    token: Annotated[str | None, SERVER] = None,
    host_name: Annotated[tuple[str, ...], SERVER] = (),
    jobs: Annotated[Path | None, SERVER] = None,
    max_body_mb: Annotated[float, LIMITS] = 5.0,
    waiting_requests: Annotated[int, LIMITS] = 256,
    waiting_jobs: Annotated[int, LIMITS] = 16,
    model: Annotated[str, MODEL] = "default",
    device: Annotated[str, HARDWARE] = "auto",
    store: Annotated[Path | None, HARDWARE] = None,
) -> None:
    """Serve a page and a JSON interface that predict, scan, screen, explain and learn from variants.

    ```
    ppi serve
    ppi serve --port 8080 --model my-model
    ppi serve --jobs jobs
    ppi serve --host 0.0.0.0 --token SECRET --host-name affinity.example.org
    ```

    Only this machine can reach the server, unless another host is given; then each request needs a token.
    /api/v1/openapi.json describes the interface.

    Parameters
    ----------
    host
        Address to listen at; 0.0.0.0 for all of this machine.
    port
        Port to listen at; 0 for any that is free.
    token
        What requests must send as `Authorization: Bearer TOKEN`; by default the environment variable
        PPI_SERVE_TOKEN, which other users of this machine cannot see in the list of processes. A server for
        other machines makes and prints one if none is given.
    host_name
        Name by which browsers reach the server, in addition to localhost and its address. The flag may be
        given several times.
    model
        Model folder, name on the Hugging Face hub, or `default`, the bundled model.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    jobs
        Folder that keeps jobs and their results, so that they can still be read after a restart; by default
        they are kept in memory, until the server stops.
    max_body_mb
        Maximum size of the body of a request, in megabytes.
    waiting_requests
        Maximum number of requests for predictions that wait; others are answered with status 429.
    waiting_jobs
        Maximum number of jobs that wait.
    """
    missing = [name for name in ("fastapi", "uvicorn", "jinja2") if find_spec(name) is None]
    if missing:
        raise InputError(
            f'ppi serve needs {", ".join(missing)}; install it with: pip install "ppi-affinity[web]"'
        )
    token = os.environ.get("PPI_SERVE_TOKEN") if token is None else token
    if token is not None and not (token.isascii() and token.strip() == token and token):
        raise InputError(
            "the token is empty, or has blanks at its ends or letters outside ASCII; give another"
        )
    from ppi.serve.server import serve as run
    from ppi.serve.settings import ServeSettings

    settings = ServeSettings(
        token=token,
        host_names=tuple(name.lower() for name in host_name),
        max_body_bytes=round(max_body_mb * 1_000_000),
        waiting_requests=waiting_requests,
        waiting_jobs=waiting_jobs,
        job_folder=jobs,
    )
    run(host, port, settings, model=model, device=device, store=store)
