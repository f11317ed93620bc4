"""A table of the named backbones."""

from __future__ import annotations

import pandas as pd
from huggingface_hub import try_to_load_from_cache

from ppi.backbones.checkpoints import CHECKPOINTS, ESM3_FILE, Checkpoint
from ppi.backbones.loading import WEIGHT_FILES
from ppi.backbones.residue import ResidueBackbone


def backbone_table() -> pd.DataFrame:
    """Return one row per backbone: ``name, family, millions`` (of parameters), ``width, layers, context``
    (residues it was trained on), ``limit`` (maximum residues of a unit), ``licence, cached``.
    """
    residue = ResidueBackbone()
    first = {
        "name": residue.spec,
        "family": residue.spec,
        "millions": 0,
        "width": residue.dim,
        "layers": 0,
        "context": 1,
        "limit": residue.max_residues,
        "licence": residue.licence,
        "cached": "in the package",
    }
    return pd.DataFrame([first, *(_row(name, checkpoint) for name, checkpoint in CHECKPOINTS.items())])


def _row(name: str, checkpoint: Checkpoint) -> dict[str, object]:
    return {
        "name": name,
        "family": checkpoint.family,
        "millions": checkpoint.millions,
        "width": checkpoint.width,
        "layers": checkpoint.depth,
        "context": checkpoint.context,
        "limit": checkpoint.max_residues,
        "licence": checkpoint.licence,
        "cached": _whether_cached(checkpoint),
    }


def _whether_cached(checkpoint: Checkpoint) -> str:
    if checkpoint.ships:
        return "in the package"
    names = [ESM3_FILE] if checkpoint.family == "esm3" else [name for name, _ in WEIGHT_FILES]
    cached = any(isinstance(try_to_load_from_cache(checkpoint.repository, name), str) for name in names)
    return "yes" if cached else "no"
