"""The residue descriptors."""

from __future__ import annotations

import numpy as np
import torch
from Bio.Align import substitution_matrices

from ppi.backbones.residue import ResidueBackbone, descriptor_table
from ppi.complexes import AMINO_ACIDS


def test_columns_are_standardised_and_x_is_their_mean() -> None:
    table = descriptor_table()
    assert table.shape == (21, 48)
    assert np.allclose(table[:20].mean(axis=0), 0, atol=1e-6)
    assert np.allclose(table[:20].std(axis=0), 1, atol=1e-5)
    assert not table[20].any()


def test_published_values_are_recognised() -> None:
    table = descriptor_table()
    assert [AMINO_ACIDS[row] for row in table[:20, :20].argmax(axis=0)] == list(AMINO_ACIDS)
    blosum = substitution_matrices.load("BLOSUM62")
    tryptophan = [blosum[a, "W"] for a in AMINO_ACIDS]
    assert np.corrcoef(table[:20, 20 + AMINO_ACIDS.index("W")], tryptophan)[0, 1] > 0.9999
    hydropathy, charge = table[:20, 40], table[:20, 47]
    assert AMINO_ACIDS[hydropathy.argmax()] == "I"
    assert AMINO_ACIDS[hydropathy.argmin()] == "R"
    assert {AMINO_ACIDS[row] for row in np.argsort(charge)[:2]} == {"D", "E"}


def test_one_row_a_residue_in_order() -> None:
    backbone = ResidueBackbone()
    embedded = backbone.embed([("MK", "X"), ("W",)])
    assert torch.equal(embedded, torch.cat([backbone.embed([(letter,)]) for letter in "MKXW"]))
    assert embedded.shape == (4, backbone.dim)
