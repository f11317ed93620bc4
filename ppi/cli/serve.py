"""`ppi serve`."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from ppi.errors import InputError


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    host_name: tuple[str, ...] = (),
    model: str = "default",
    device: str = "auto",
    store: Path | None = None,
    jobs: Path | None = None,
    max_body_mb: float = 5.0,
    waiting_requests: int = 256,
    waiting_jobs: int = 16,
) -> None:
    """Serve a page and a JSON interface that predict, scan, screen and explain.

    The server answers this machine only, unless another host is given; then each request needs a token.
    /api/v1/openapi.json describes the interface.

    ```
    ppi serve
    ppi serve --port 8080 --model my-model
    ppi serve --host 0.0.0.0 --token SECRET --host-name affinity.example.org
    ```

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
        Name by which browsers reach the server, beside localhost and its address. May be given several
        times.
    model
        Model folder, name on the Hugging Face hub, or `default`, the model that ships in the package.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    jobs
        Folder that keeps jobs and their results, so that they can still be read after a restart; by default
        they are kept in memory, until the server stops.
    max_body_mb
        Largest body of a request in megabytes.
    waiting_requests
        Most requests for predictions that wait; more are answered with status 429.
    waiting_jobs
        Most jobs that wait.
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
