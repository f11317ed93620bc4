"""Units, budgets, and the engine that embeds each distinct unit once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from heads.ragged import BOTH, LIGAND, RECEPTOR
from ppi.backbones.base import Unit
from ppi.backbones.residue import ResidueBackbone
from ppi.complexes import Complex
from ppi.embedding.batching import budget_batches
from ppi.embedding.engine import embed_units
from ppi.embedding.sources import EmbeddedUnits
from ppi.embedding.units import encode_complexes, split_into_units, unit_length
from ppi.errors import InputError

ANTIBODY = Complex("ab", ("EVQL", "DIQMT"), ("KVF",))


def test_units_of_each_kind() -> None:
    chain = split_into_units(ANTIBODY, "chain")
    assert chain.units == (("EVQL",), ("DIQMT",), ("KVF",))
    assert chain.roles == (LIGAND, LIGAND, RECEPTOR)
    side = split_into_units(ANTIBODY, "side")
    assert side.units == (("EVQL", "DIQMT"), ("KVF",))
    assert side.roles == (LIGAND, RECEPTOR)
    whole = split_into_units(ANTIBODY, "complex")
    assert whole.units == (("EVQL", "DIQMT", "KVF"),)
    assert whole.roles == (BOTH,)
    twice = split_into_units(ANTIBODY, "complex", both_orders=True)
    assert twice.units == (("EVQL", "DIQMT", "KVF"), ("KVF", "EVQL", "DIQMT"))
    assert twice.roles == (BOTH, BOTH)
    assert chain.residues == side.residues == whole.residues == 12


def test_a_unit_over_the_limit_is_refused_or_cut_in_proportion() -> None:
    item = Complex("big", ("E" * 300, "D" * 100), ("K" * 90,))
    with pytest.raises(
        InputError,
        match="'big' has a side of 400 residues in 2 chains, .* takes 100 .* domains .*--truncate",
    ):
        encode_complexes([item], "side", 100)
    encoded, truncated = encode_complexes([item, ANTIBODY], "side", 100, truncate=True)
    assert truncated == [True, False]
    assert encoded[0].units == (("E" * 74, "D" * 24), ("K" * 90,))
    assert encoded[1].units == split_into_units(ANTIBODY, "side").units


def test_every_chain_keeps_a_residue_and_the_limit_holds() -> None:
    item = Complex("uneven", ("E" * 1000, "D", "F"), ("K",))
    unit = encode_complexes([item], "side", 10, truncate=True)[0][0].units[0]
    assert [len(chain) for chain in unit] == [6, 1, 1]
    with pytest.raises(InputError, match="3 chains cannot be shortened to 2"):
        encode_complexes([item], "side", 4, truncate=True)


def test_budget_is_kept_and_nothing_lost() -> None:
    lengths = [5, 30, 7, 7, 1, 12]
    batches = list(budget_batches(lengths, 14))
    assert sorted(index for batch in batches for index in batch) == list(range(6))
    assert batches[0] == [1]  # over the budget: alone, and first
    assert all(sum(lengths[index] for index in batch) <= 14 for batch in batches[1:])
    assert list(budget_batches(lengths, 14, order=[4, 0, 2])) == [[4, 0, 2]]
    assert list(budget_batches([], 14)) == []


def test_each_distinct_unit_is_embedded_once_within_the_budget() -> None:
    calls: list[list[Unit]] = []

    class Counting(ResidueBackbone):
        def embed(self, units: Sequence[Unit]) -> Tensor:
            calls.append(list(units))
            return super().embed(units)

    mutant = Complex("mutant", ("EVQL", "DIQMA"), ("KVF",))
    encoded, _ = encode_complexes([ANTIBODY, mutant], "chain", 99)
    batches = embed_units(Counting(), [unit for item in encoded for unit in item.units], token_budget=9)
    units = EmbeddedUnits.collect(batches)
    embedded = [unit for call in calls for unit in call]
    assert sorted(embedded) == [("DIQMA",), ("DIQMT",), ("EVQL",), ("KVF",)]
    assert len(units) == 4
    assert all(sum(map(unit_length, call)) <= 9 for call in calls)
    batch = units.gather(encoded[::-1])
    assert batch.units.offsets.tolist() == [0, 4, 9, 12, 16, 21, 24]
    assert batch.layout.unit_complex == (0, 0, 0, 1, 1, 1)
    expected = ResidueBackbone().embed([mutant.chains, ANTIBODY.chains])
    assert torch.equal(batch.values, expected)
