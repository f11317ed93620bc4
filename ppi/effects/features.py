"""What is known of a mutated residue before anything is measured: exchange, surroundings and location.

All but the exchange comes from one complex, the *context*, whatever the residue is changed to and from: a
scan of all mutations of a complex needs one pass of the language model, and an exchange and its reverse see
the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from ppi.complexes import AMINO_ACIDS
from ppi.effects.chemistry import EXCHANGE_NAMES, PROPERTIES, exchange, residue_properties
from ppi.effects.encoding import LIKELIHOODS
from ppi.effects.location import LOCATION_NAMES
from ppi.effects.mutations import SIDES, Mutation

#: Components of the embedding that describe a residue.
EMBEDDING_COMPONENTS = 24
_WINDOWS = (1, 4, 10)
_NEIGHBOURS = (-2, -1, 1, 2)
_FROM_END = 30
#: Residues on each side over which a location is averaged, and the number of likeliest interface residues.
_AROUND, _LIKELIEST = 4, 10
_INTERFACE, _EXPOSURE = (LOCATION_NAMES.index(name) for name in ("interface", "exposure"))
_SOME = 4

LIKELIHOOD_NAMES = ("log_odds", "log_likelihood_wild", "log_likelihood_mutant")
CONTEXT_NAMES = (
    *(f"within_{window}_{name}" for window in _WINDOWS for name in PROPERTIES),
    *(f"at_{offset:+d}_{name}" for offset in _NEIGHBOURS for name in PROPERTIES[:_SOME]),
    *("relative_position", "from_start", "from_end", "log_length", "log_partner", "log_side"),
    *("chains", "partner_chains"),
    *(f"{which}_{name}" for which in ("partner", "side") for name in PROPERTIES[: _SOME + 1]),
    "entropy",
    *(f"component_{number}" for number in range(EMBEDDING_COMPONENTS)),
    *LOCATION_NAMES,
    *("interface_rank", "interface_around", "exposure_around", "interface_size", "interface_sharpness"),
)
LOCATION_FEATURES = CONTEXT_NAMES[CONTEXT_NAMES.index(LOCATION_NAMES[0]) :]
#: Names of the numbers of one exchange in its context, in the order of `rows`.
FEATURE_NAMES = (*EXCHANGE_NAMES, *LIKELIHOOD_NAMES, *CONTEXT_NAMES)


@dataclass(frozen=True)
class Context:
    """A complex as it is before any mutation.

    Attributes
    ----------
    sides
        Chains of ligand and receptor.
    embeddings
        ``(length, D + 20)`` encoded residues of each of these chains; see `ppi.effects.encoding`.
    locations
        ``(L, 10)`` location of the residues of each side, by `ppi.effects.location.LOCATION_NAMES`.
    from_structure
        Whether the locations were measured in a structure.
    """

    sides: tuple[tuple[str, ...], tuple[str, ...]]
    embeddings: Sequence[Sequence[Tensor]]
    locations: tuple[np.ndarray, np.ndarray]
    from_structure: bool = False
    _known: dict[tuple[int, int, int], np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def at(self, side: int, chain: int, place: int) -> np.ndarray:
        """Return the numbers of a residue by `CONTEXT_NAMES`; all three are counted from 0."""
        key = (side, chain, place)
        if key not in self._known:
            self._known[key] = self._describe(side, chain, place)
        return self._known[key]

    def _describe(self, side: int, chain: int, place: int) -> np.ndarray:
        own, other = self.sides[side], self.sides[1 - side]
        residues = own[chain]
        encoded = self.embeddings[side][chain][place].float()
        likely = encoded[LIKELIHOODS]
        parts: list[np.ndarray] = [
            _surroundings(residues, place),
            _position(own, other, residues, place),
            _composition(other)[: _SOME + 1],
            _composition(own)[: _SOME + 1],
            -(likely.exp() * likely).sum(dim=0, keepdim=True).numpy(),
            encoded[:EMBEDDING_COMPONENTS].numpy(),
            _location(self.locations[side], sum(map(len, own[:chain])), len(residues), place),
        ]
        return np.concatenate(parts).astype(np.float32)


def rows(context: Context, mutations: Sequence[Mutation]) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(N, F)`` features of each mutation and of its reverse, by `FEATURE_NAMES`."""
    forward: list[np.ndarray] = []
    backward: list[np.ndarray] = []
    for item in mutations:
        side, chain, place = SIDES.index(item.side), item.chain - 1, item.position - 1
        site = context.at(side, chain, place)
        likely = context.embeddings[side][chain][place, LIKELIHOODS].float().numpy()
        for described, first, second in (
            (forward, item.wild, item.mutant),
            (backward, item.mutant, item.wild),
        ):
            before, after = (likely[AMINO_ACIDS.index(residue)] for residue in (first, second))
            described.append(
                np.concatenate([exchange(first, second), np.array([after - before, before, after]), site])
            )
    return np.array(forward, dtype=np.float32), np.array(backward, dtype=np.float32)


def _surroundings(residues: str, place: int) -> np.ndarray:
    """Return means over windows without the residue itself, and single neighbours."""
    properties = residue_properties()
    nobody = properties["X"]
    parts = []
    for window in _WINDOWS:
        near = residues[max(0, place - window) : place] + residues[place + 1 : place + window + 1]
        parts.append(np.mean([properties[residue] for residue in near], axis=0) if near else nobody)
    for offset in _NEIGHBOURS:
        inside = 0 <= place + offset < len(residues)
        parts.append((properties[residues[place + offset]] if inside else nobody)[:_SOME])
    return np.concatenate(parts)


def _position(own: Sequence[str], other: Sequence[str], residues: str, place: int) -> np.ndarray:
    length = len(residues)
    lengths = np.log([length, sum(map(len, other)), sum(map(len, own))])
    ends = [place / length, min(place, _FROM_END), min(length - 1 - place, _FROM_END)]
    return np.array([*ends, *lengths, len(own), len(other)])


def _composition(side: Sequence[str]) -> np.ndarray:
    properties = residue_properties()
    found: np.ndarray = np.mean([properties[residue] for chain in side for residue in chain], axis=0)
    return found


def _location(side: np.ndarray, start: int, length: int, place: int) -> np.ndarray:
    """Return the location of a residue, of those around it in its chain, and of its side."""
    row, interface = start + place, side[:, _INTERFACE]
    around = side[max(start, row - _AROUND) : min(start + length, row + _AROUND + 1)]
    summary = [
        (interface < interface[row]).mean(),
        around[:, _INTERFACE].mean(),
        around[:, _EXPOSURE].mean(),
        interface.sum() / 50,
        np.sort(interface)[-_LIKELIEST:].mean(),
    ]
    return np.concatenate([side[row], summary])
