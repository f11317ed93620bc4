"""All-against-all scoring gives what the head gives for each pair by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from conftest import batch_of, random_complex

from heads.base import Head
from heads.build import build_head
from heads.pairs import Factorised, PairNetwork, pools_apart, represent_sides, score_pairs
from heads.ragged import LIGAND, RaggedBatch
from ppi.backbones.residue import ResidueBackbone
from ppi.complexes import Complex

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("hp", "convbert", {}),
    ("hp", "none", {"aggregation": "add"}),
    ("hp", "none", {"aggregation": "mean", "per_side": True}),
    ("hp", "none", {"network": False}),
    ("hp", "convbert", {"mixer_per_side": True, "symmetric": True}),
    ("ec", "convbert", {"late": True}),
    ("ec", "none", {"late": True, "symmetric": True}),
    ("ec", "none", {}),
    ("pad", "none", {}),
    ("pad", "convbert", {"separate_directions": True, "symmetric": True}),
    ("hp", "none", {"lengths": True}),
    ("ec", "none", {"late": True, "lengths": True}),
    ("pad", "none", {"lengths": True}),
    # The pairs get the score, the first of two outputs.
    ("hp", "convbert", {"heteroscedastic": True}),
    ("hp", "none", {"network": False, "heteroscedastic": True}),
    ("ec", "none", {"late": True, "heteroscedastic": True}),
    ("ec", "none", {"heteroscedastic": True}),
    ("pad", "none", {"symmetric": True, "heteroscedastic": True}),
]


def sides(chains: list[tuple[str, ...]], unit: str) -> RaggedBatch:
    """Embed sides, each as the ligand of a complex whose receptor is left out again."""
    batch = batch_of(ResidueBackbone(), [Complex("x", side, ("K",)) for side in chains], unit)
    layout = batch.layout
    keep = [unit for unit, role in enumerate(layout.unit_role) if role == LIGAND]
    rows, units = batch.units.take(keep)
    owners = [layout.unit_complex[unit] for unit in keep]
    return RaggedBatch.from_units(batch.values[rows], units.lengths, owners, [LIGAND] * len(keep))


@pytest.mark.parametrize(("name", "mixer", "options"), CASES)
def test_every_pair_is_scored_as_by_itself(
    name: str,
    mixer: str,
    options: dict[str, Any],
    random: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("heads.pairs._BLOCK_RESIDUES", 300)
    monkeypatch.setattr("heads.pairs._LIGANDS", 2)
    monkeypatch.setattr("heads.pairs._RECEPTORS", 3)
    torch.manual_seed(0)
    head = build_head(name, 48, mixer, **options).eval()
    complexes = [random_complex(random, str(n), ligand=1 + n % 3, receptor=1 + n % 2) for n in range(7)]
    ligands, receptors = [item.ligand for item in complexes[:5]], [item.receptor for item in complexes]
    with torch.no_grad():
        unit = head.encoding_unit
        found = score_pairs(head, sides(ligands, unit), sides(receptors, unit))
        for row, ligand in zip(found, ligands, strict=True):
            pairs = [Complex("pair", ligand, receptor) for receptor in receptors]
            assert torch.allclose(row, head(batch_of(ResidueBackbone(), pairs, unit)), atol=1e-5)
    assert found.shape == (5, 7)
    assert found.std() > 1e-4


def test_which_heads_are_factorised() -> None:
    def network(head: Head) -> PairNetwork | None:
        return head.pair_network() if isinstance(head, Factorised) else None

    assert network(build_head("hp", 48)) is not None
    assert network(build_head("ec", 48, late=True)) is not None
    assert network(build_head("ec", 48)) is None
    assert network(build_head("pad", 48)) is None


def test_a_joint_sequence_cannot_be_paired(random: np.random.Generator) -> None:
    batch = sides([random_complex(random, "x").ligand], "side")
    with pytest.raises(ValueError, match="reads both sides as one sequence"):
        score_pairs(build_head("sc", 48), batch, batch)


@pytest.mark.parametrize(("name", "mixer", "options"), CASES)
def test_a_side_alone_is_represented_as_in_a_pair(
    name: str, mixer: str, options: dict[str, Any], random: np.random.Generator
) -> None:
    torch.manual_seed(0)
    head = build_head(name, 48, mixer, **options).eval()
    complexes = [random_complex(random, str(n), ligand=1 + n % 3, receptor=1 + n % 2) for n in range(5)]
    alone = sides([item.ligand for item in complexes], head.encoding_unit)
    assert pools_apart(head) == (name != "pad" and head.pools_alike)
    if not pools_apart(head):
        with pytest.raises(ValueError, match="cannot represent one alone"):
            represent_sides(head, alone)
        return
    with torch.no_grad():
        both = head.represent(batch_of(ResidueBackbone(), complexes, head.encoding_unit))
        receptors = sides([item.receptor for item in complexes], head.encoding_unit)
        torch.testing.assert_close(represent_sides(head, alone), both[:, 0], rtol=0, atol=1e-5)
        torch.testing.assert_close(represent_sides(head, receptors), both[:, 1], rtol=0, atol=1e-5)
