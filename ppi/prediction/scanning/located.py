"""Where the residues of a complex lie in the structure that the user gives."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import numpy as np

from ppi.effects.location import LOCATION_NAMES
from ppi.effects.mutations import SIDES
from ppi.effects.structure import structure_locations
from ppi.errors import PpiWarning
from ppi.prediction.scanning.labels import ChainLabels

_INTERFACE = LOCATION_NAMES.index("interface")
#: Fewer residues at the interface on a side: the structure does not show the sides bound to each other.
_FEWEST = 3


def locations_in(
    structure: str | os.PathLike[str], name: str, labels: Sequence[ChainLabels]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the ``(L, 10)`` locations of both sides; None, with a warning, if the sides do not touch.

    Parameters
    ----------
    structure
        PDB or mmCIF file.
    name
        Name of the complex.
    labels
        Labels of its chains, with the residue numbers of the structure.

    Raises
    ------
    data_curation.errors.StructureError
        If the structure cannot be read.
    """
    ligand, receptor = (
        [(label.name or "", label.numbers) for label in labels if label.side == side] for side in SIDES
    )
    found = structure_locations(structure, ligand, receptor)
    fewest = min(int(np.nansum(side[:, _INTERFACE])) for side in found)
    if fewest >= _FEWEST:
        return found
    warnings.warn(
        f"complex {name!r}: {fewest} residue(s) of a side are within 5 angstrom of the other side in the "
        "structure, so it does not show the sides bound; where residues lie is predicted from sequence",
        PpiWarning,
        stacklevel=2,
    )
    return None
