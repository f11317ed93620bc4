"""The provenance of a result: data, versions and commit."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ppi.io.tables import ComplexTable

DISTRIBUTION = "ppi-affinity"
#: Packages whose version may affect results; peft is optional.
_RECORDED = (
    DISTRIBUTION,
    "torch",
    "lightning",
    "transformers",
    "tokenizers",
    "peft",
    "numpy",
    "scikit-learn",
    "biopython",
)


def package_version() -> str:
    """Return the version of this distribution.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If the distribution is not installed.
    """
    return version(DISTRIBUTION)


def code_provenance() -> dict[str, Any]:
    """Return Python and package versions, and the git commit if the code runs from a checkout."""
    versions = {}
    for name in _RECORDED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {"python": platform.python_version(), "packages": versions, "git_commit": _git_commit()}


def source_label(source: object) -> str:
    """Return the name of a table or split, without its path on this machine."""
    return Path(source).name if isinstance(source, (str, os.PathLike)) else "a table in memory"


def table_sha256(table: ComplexTable) -> str:
    """Return a hash of ids, sequences, labels and the other columns that training reads."""
    digest = hashlib.sha256()
    read = [name for name in ("split", "weight", "pdb", "cluster") if name in table.columns]
    rest = table.columns[read].astype(str).itertuples(index=False)
    for item, others in zip(table.complexes, rest, strict=True):
        fields = (item.id, ":".join(item.ligand), ":".join(item.receptor), repr(item.pkd), *others)
        digest.update("\t".join(fields).encode() + b"\n")
    return digest.hexdigest()


def differences(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return the names with differing values, in alphabetical order, and both values (None if absent)."""
    pairs = ((name, recorded.get(name), wanted.get(name)) for name in sorted({*recorded, *wanted}))
    return [(name, there, here) for name, there, here in pairs if there != here]


def _git_commit() -> str | None:
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists() or shutil.which("git") is None:
        return None
    done = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None
