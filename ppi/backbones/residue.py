"""Published descriptors of the 20 residues: the baseline that a language model has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from Bio.Align import substitution_matrices
from Bio.SeqUtils import IsoelectricPoint, ProtParamData, molecular_weight
from torch import Tensor

from ppi.backbones.base import Backbone, Unit
from ppi.backbones.checkpoints import NO_LIMIT
from ppi.complexes import AMINO_ACIDS, UNKNOWN

_HYDROPHOBICITY = "kd"  # Kyte & Doolittle 1982
_HYDROPHILICITY = "hw"  # Hopp & Woods 1981
_FLEXIBILITY = "Flex"  # Vihinen et al. 1994
_SURFACE = "em"  # Emini et al. 1985
_TRANSFER = "ja"  # Janin 1979


class ResidueBackbone(Backbone):
    """48 context-free descriptors per residue; nothing is learnt and nothing is downloaded.

    One-hot (20), the row of BLOSUM62 (20), and eight physico-chemical values from Biopython:
    hydropathy, hydrophilicity, flexibility, surface probability, interior-to-surface transfer energy,
    mass, isoelectric point, and charge at pH 7. Each column is standardised over the 20 residues; X is
    all zeros, the mean.
    """

    spec = "residue"
    licence = "MIT"
    dtype = torch.float32
    costly = False
    table: Tensor
    # The descriptors need no limit; this one bounds the quadratic attention of the head.
    max_residues = NO_LIMIT

    def __init__(self) -> None:
        super().__init__()
        table = torch.from_numpy(descriptor_table())
        self.register_buffer("table", table, persistent=False)
        self.dim = table.shape[1]

    @property
    def identity(self) -> str:
        return "residue-v1-float32"

    def embed(self, units: Sequence[Unit]) -> Tensor:
        residues = "".join(chain for unit in units for chain in unit)
        codes = np.frombuffer(residues.encode("ascii"), dtype=np.uint8)
        rows: Tensor = self.table[torch.from_numpy(_CODE_TO_ROW[codes]).to(self.table.device)]
        return rows


def descriptor_table() -> np.ndarray:
    """Return the descriptors, ``(21, 48)`` float32, with rows in the order of the alphabet and then X."""
    blosum = substitution_matrices.load("BLOSUM62")
    columns = np.concatenate(
        [
            np.eye(len(AMINO_ACIDS)),
            [[blosum[a, b] for b in AMINO_ACIDS] for a in AMINO_ACIDS],
            [_scales(residue) for residue in AMINO_ACIDS],
        ],
        axis=1,
    )
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    return np.concatenate([columns, np.zeros((1, columns.shape[1]))]).astype(np.float32)


def _scales(residue: str) -> list[float]:
    scales = (_HYDROPHOBICITY, _HYDROPHILICITY, _FLEXIBILITY, _SURFACE, _TRANSFER)
    point = IsoelectricPoint.IsoelectricPoint(residue)
    return [
        *(getattr(ProtParamData, scale)[residue] for scale in scales),
        molecular_weight(residue, seq_type="protein"),
        point.pi(),
        point.charge_at_pH(7.0),
    ]


def _code_to_row() -> np.ndarray:
    rows = np.full(256, len(AMINO_ACIDS), dtype=np.int64)
    for row, residue in enumerate(AMINO_ACIDS + UNKNOWN):
        rows[ord(residue)] = row
    return rows


_CODE_TO_ROW = _code_to_row()
