"""What a server allows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ppi.errors import SettingsError


@dataclass(frozen=True)
class ServeSettings:
    """Limits of a server, and who may use it.

    Attributes
    ----------
    token
        What a request must send as ``Authorization: Bearer``; None for a server that asks for nothing.
    host_names
        Names, beside ``localhost`` and plain addresses, that a request may have as its host.
    max_body_bytes
        Largest body of a request.
    body_seconds
        Seconds within which the body of a request arrives.
    open_requests, open_bytes
        Most requests that are not answered yet, and bytes of all their bodies.
    max_complexes, max_residues
        Most complexes, and residues of all of them, of a request for predictions.
    max_job_complexes, max_job_residues
        The same of a scan or an explanation.
    max_screen_pairs
        Most pairs of a screen; its sides together may have `max_residues` residues.
    max_measured, max_pool
        Most measured variants to learn from, and variants of a pool to choose from.
    waiting_requests
        Most requests for predictions that wait.
    batch_residues
        Most residues that are predicted in one call for several requests.
    waiting_jobs
        Most jobs that wait.
    kept_jobs, kept_bytes
        Most finished jobs that are kept, and bytes of their results; the oldest are dropped first.
    job_folder
        Folder that keeps jobs, so that they outlive the server; None to keep them in memory only.
    """

    token: str | None = None
    host_names: tuple[str, ...] = ()
    max_body_bytes: int = 5_000_000
    body_seconds: int = 30
    open_requests: int = 1_000
    open_bytes: int = 50_000_000
    max_complexes: int = 2_000
    max_residues: int = 400_000
    max_job_complexes: int = 10
    max_job_residues: int = 5_000
    max_screen_pairs: int = 100_000
    max_measured: int = 1_000
    max_pool: int = 50_000
    waiting_requests: int = 256
    batch_residues: int = 50_000
    waiting_jobs: int = 16
    kept_jobs: int = 50
    kept_bytes: int = 200_000_000
    job_folder: Path | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, int) and value < 1:
                raise SettingsError(f"{name} is {value}; give 1 or more")
