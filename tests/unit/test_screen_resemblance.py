"""Sides of a screen that are variants of one protein."""

from __future__ import annotations

import numpy as np
import pytest

from ppi.complexes import AMINO_ACIDS
from ppi.errors import PpiWarning
from ppi.io.sides import Side
from ppi.prediction.screening.targets import read_targets

RNG = np.random.default_rng(5)


def chain(length: int = 80) -> str:
    return "".join(RNG.choice(list(AMINO_ACIDS), length))


def variants(count: int, changed: int) -> list[Side]:
    """Return an antibody of two chains and variants of it with so many other residues in the first."""
    heavy, light = chain(), chain()
    sides = [Side("wild", (heavy, light))]
    for number in range(count):
        residues = list(heavy)
        for place in RNG.choice(len(heavy), changed, replace=False):
            residues[place] = next(letter for letter in AMINO_ACIDS if letter != residues[place])
        sides.append(Side(f"v{number}", ("".join(residues), light)))
    return sides


@pytest.mark.parametrize("role", ["ligand", "receptor"])
def test_variants_of_one_protein_have_a_warning(role: str) -> None:
    sides = [*variants(6, changed=4), Side("other", (chain(),))]
    antigen = [Side("antigen", (chain(),))]
    both = (sides, antigen) if role == "ligand" else (antigen, sides)
    with pytest.warns(
        PpiWarning, match=f"most of the {role}s are over 90% identical to 'wild'.*`ppi scan`"
    ) as found:
        read_targets(*both, None, "receptor")
    assert len(found) == 1


@pytest.mark.parametrize(
    "sides",
    [
        variants(6, changed=20),  # 12 % of both chains
        [Side(f"s{number}", (chain(),)) for number in range(6)],
        [*variants(2, changed=1), *(Side(f"s{number}", (chain(),)) for number in range(4))],
        variants(1, changed=1),  # two sides are no series
        [Side("short", ("MKVLAGQR",)), *(Side(f"s{n}", ("MKVLAGQR" + chain(8),)) for n in range(4))],
    ],
)
def test_other_sides_have_none(sides: list[Side], recwarn: pytest.WarningsRecorder) -> None:
    read_targets(sides, [Side("antigen", (chain(),))], None, "receptor")
    assert not recwarn.list
