"""Locations of residues in a structure: known shapes, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_structures import residue

from data_curation.errors import StructureError
from ppi.effects.location import LOCATION_NAMES
from ppi.effects.structure import _areas, _Atoms, structure_locations
from ppi.errors import PpiWarning
from ppi.prediction.scanning.labels import ChainLabels
from ppi.prediction.scanning.located import locations_in

NUMBERS = tuple(str(number) for number in range(1, 7))


def atoms(places: list[tuple[float, float, float]], radius: float = 3.0) -> _Atoms:
    count = len(places)
    return _Atoms(
        np.array(places),
        np.full(count, radius),
        np.arange(count),
        dict.fromkeys(range(count), "ALA"),
        np.ones(count, bool),
    )


def write(path: Path, shift: float) -> Path:
    """Two straight strands beside each other, `shift` angstrom apart."""
    first = "".join(residue("ALA", number, number, chain="A") for number in range(1, 7))
    second = "".join(residue("LYS", number, number, chain="B") for number in range(1, 7))
    moved = [f"{line[:38]}{shift:8.3f}{line[46:]}" for line in second.splitlines(keepends=True)]
    path.write_text(first + "".join(moved))
    return path


def test_the_area_of_atoms_is_that_of_spheres() -> None:
    alone = 4 * np.pi * 9
    assert _areas(atoms([(0, 0, 0)])) == pytest.approx([alone])
    assert _areas(atoms([(0, 0, 0), (50, 0, 0)])) == pytest.approx([alone, alone])
    # The cap that a sphere at distance d cuts off has the height r - d / 2.
    near = _areas(atoms([(0, 0, 0), (4, 0, 0)]))
    assert near == pytest.approx(alone - 2 * np.pi * 3 * (3 - 2), rel=0.02)
    assert _areas(atoms([(0, 0, 0)]), atoms([(4, 0, 0)])) == pytest.approx(near[:1])


def test_sides_that_touch_have_an_interface(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pdb", 4.0)
    first, second = structure_locations(path, [("A", NUMBERS)], [("B", (None, *NUMBERS[1:]))])
    assert first.shape == second.shape == (6, len(LOCATION_NAMES))
    assert np.isnan(second[0]).all()
    assert np.isfinite(second[1:]).all()
    assert first[:, 0].tolist() == [1.0] * 6
    assert first[:, 3:8].sum(axis=1).tolist() == [1.0] * 6
    assert (first[:, 8] > 0).all()


def test_sides_far_apart_have_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pdb", 30.0)
    first, _ = structure_locations(path, [("A", NUMBERS)], [("B", NUMBERS)])
    assert not first[:, :2].any()
    names = dict(zip(LOCATION_NAMES, first[2], strict=True))
    assert names["surface"] == 1.0
    assert names["log_contacts"] == 0.0
    # CA atoms stand 3.8 angstrom apart: two on each side within 10.
    assert names["packing"] == pytest.approx(4 / 20)


def test_a_structure_of_unbound_sides_is_not_used(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pdb", 30.0)
    labels = [
        ChainLabels("ligand", 1, "AAAAAA", "A", NUMBERS),
        ChainLabels("receptor", 1, "KKKKKK", "B", NUMBERS),
    ]
    with pytest.warns(PpiWarning, match="does not show the sides bound"):
        assert locations_in(path, "mine", labels) is None
    near = locations_in(write(tmp_path / "b.pdb", 4.0), "mine", labels)
    assert near is not None


@pytest.mark.parametrize(
    ("ligand", "message"),
    [([("C", NUMBERS)], "has no chain C"), ([("A", ("90", None))], "has no residue of the chain")],
)
def test_what_is_not_there_is_named(tmp_path: Path, ligand: list, message: str) -> None:
    path = write(tmp_path / "a.pdb", 4.0)
    with pytest.raises(StructureError, match=message):
        structure_locations(path, ligand, [("B", NUMBERS)])


def test_a_file_without_atoms(tmp_path: Path) -> None:
    path = tmp_path / "a.pdb"
    path.write_text("REMARK nothing\n")
    with pytest.raises(StructureError, match="no atoms can be read"):
        structure_locations(path, [("A", NUMBERS)], [("B", NUMBERS)])
