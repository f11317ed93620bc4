"""Measured complexes that differ from a complex by a few substitutions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np

from ppi.complexes import UNKNOWN, Complex
from ppi.prediction.placement import MOST_CHAINS, place

#: A complex has neighbours if the nearest is at most so many substitutions away; all that are at most so many
#: away then count.
MOST_SUBSTITUTIONS, FARTHEST_NEIGHBOUR = 8, 20
#: Most substitutions in a side, and least residues of it that both know, as parts of its length.
_MOST_CHANGED, _LEAST_KNOWN = 1 / 3, 0.7
#: Pair identity to a measured complex from which a complex is laid onto it where chains differ in length.
MIN_PLACED_IDENTITY = 0.9

#: Chains of both sides, those of a side in order of length.
_Sides = tuple[tuple[str, ...], tuple[str, ...]]
_Lengths = tuple[tuple[int, ...], ...]
_X = ord(UNKNOWN)


@dataclass(frozen=True)
class Neighbours:
    """Measured complexes around one, all with chains of the same lengths in the same order.

    Attributes
    ----------
    numbers
        ``(N,)`` numbers of the measured complexes, the nearest first.
    residues
        ``(N + 1, L)`` ASCII codes of all residues of each, and in the last row of the complex itself; more
        rows where other complexes were joined to them.
    lengths
        Lengths of the chains of both sides.
    sources
        ``(L,)`` index, among all residues of the complex to predict, ligand first, of each residue of
        its row; -1 for one that it lacks.
    """

    numbers: np.ndarray
    residues: np.ndarray
    lengths: _Lengths
    sources: np.ndarray

    def joined_by(self, residues: np.ndarray) -> Neighbours:
        """Return the same with more rows of residues behind that of the complex."""
        return replace(self, residues=np.concatenate([self.residues, residues]))

    def medoid(self) -> int:
        """Return the row of the measured complex with the fewest differences from all others."""
        known = self.residues[: len(self.numbers)]
        varying = known[:, (known != known[0]).any(axis=0)]
        return int(_differ(varying[:, None], varying).sum(axis=(1, 2)).argmin())

    def changed(self, reference: int) -> np.ndarray:
        """Return which residues differ from those of one row, in the shape of `residues`."""
        return _differ(self.residues, self.residues[reference])

    def complexes(self) -> list[Complex]:
        """Return the complex of each row; which side comes first does not depend on the query."""
        sides = [_cut(row, self.lengths) for row in self.residues]
        if self.exchanged:
            sides = [(second, first) for first, second in sides]
        return [Complex(str(number), *both) for number, both in enumerate(sides)]

    @property
    def exchanged(self) -> bool:
        """Whether `complexes` has the two sides in the other order than `residues`."""
        first, second = _cut(self.residues[0], self.lengths)
        return (self.lengths[0], first) > (self.lengths[1], second)


class NeighbourIndex:
    """Complexes by the lengths of their chains.

    Parameters
    ----------
    complexes
        Numbered from 0.
    """

    def __init__(self, complexes: Sequence[Complex]) -> None:
        self._complexes = complexes
        self._number = {item.id: number for number, item in enumerate(complexes)}
        self._rows = defaultdict[_Lengths, list[tuple[int, _Sides]]](list)
        for number, item in enumerate(complexes):
            first, second = by_length(item.ligand), by_length(item.receptor)
            # In both role orders, so that a complex and its exchanged form have the same neighbours.
            for sides in {(first, second), (second, first)}:
                self._rows[_lengths(sides)].append((number, sides))
        self._tables: dict[_Lengths, tuple[np.ndarray, np.ndarray]] = {}

    def partner_lengths(self) -> dict[tuple[int, ...], set[tuple[int, ...]]]:
        """Return, by the lengths of the chains of a side, those of the other sides that it is measured with.

        Lengths are in order. Only such a pair has neighbours without being laid onto a measured complex.
        """
        found = defaultdict[tuple[int, ...], set[tuple[int, ...]]](set)
        for first, second in self._rows:
            found[first].add(second)
        return dict(found)

    def find(
        self, item: Complex, *, most: int, like: str | None = None, without: int | None = None
    ) -> Neighbours | None:
        """Return the neighbours of a complex; None if none is near enough.

        Parameters
        ----------
        item
            Any complex.
        most
            Most neighbours.
        like
            Name of a complex of the index that it may be laid onto.
        without
            Number of a complex that is left out.
        """
        found = self._near(item, most, without)
        if found is None and like in self._number:
            onto = self._complexes[self._number[like]]
            exchanged = Complex(item.id, item.receptor, item.ligand)
            for order, sources in ((item, _numbers(item)), (exchanged, _exchanged_numbers(item))):
                placed = place(order, onto, most=MOST_SUBSTITUTIONS)
                if placed is not None:
                    found = self._near(placed.complex, most, without)
                    # The last entry is that of residues that the complex lacks.
                    return found and replace(found, sources=sources[placed.sources[found.sources]])
        return found

    def _near(self, item: Complex, most: int, without: int | None) -> Neighbours | None:
        lengths = _lengths((by_length(item.ligand), by_length(item.receptor)))
        if lengths not in self._rows:
            return None
        numbers, known = self._table(lengths)
        best, nearest = None, MOST_SUBSTITUTIONS + 1
        for sides, sources in _orders(item):
            own = _residues(sides)
            distance = _distances(known, own, sum(lengths[0]))
            distance[numbers == without] = FARTHEST_NEIGHBOUR + 1
            order = np.lexsort((numbers, distance))
            # A complex that was measured in both role orders counts once, in the nearer one.
            order = order[np.sort(np.unique(numbers[order], return_index=True)[1])][:most]
            order = order[distance[order] <= FARTHEST_NEIGHBOUR]
            if len(order) and distance[order[0]] < nearest:
                nearest = int(distance[order[0]])
                best = Neighbours(numbers[order], np.vstack([known[order], own]), lengths, sources)
        return best

    def _table(self, lengths: _Lengths) -> tuple[np.ndarray, np.ndarray]:
        """Return numbers and ``(N, L)`` residues of the complexes whose chains have these lengths."""
        if lengths not in self._tables:
            rows = self._rows[lengths]
            residues = np.stack([_residues(sides) for _, sides in rows])
            self._tables[lengths] = np.array([number for number, _ in rows]), residues
        return self._tables[lengths]


def _differ(residues: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Say where residues differ; an unknown one differs from none."""
    return (residues != others) & (residues != _X) & (others != _X)


def _distances(known: np.ndarray, own: np.ndarray, ligand: int) -> np.ndarray:
    """Return the ``(N,)`` substitutions between rows of residues, too many where a side is another one."""
    distance = np.zeros(len(known), dtype=np.int64)
    for side in (slice(0, ligand), slice(ligand, None)):
        length = own[side].size
        changed = _differ(known[:, side], own[side]).sum(axis=1)
        both = ((known[:, side] != _X) & (own[side] != _X)).sum(axis=1)
        distance += changed
        distance[(changed > _MOST_CHANGED * length) | (both < _LEAST_KNOWN * length)] = FARTHEST_NEIGHBOUR + 1
    return distance


def by_length(side: tuple[str, ...]) -> tuple[str, ...]:
    """Return the chains of a side in order of length."""
    return tuple(sorted(side, key=len))


def _orders(item: Complex) -> Iterator[tuple[_Sides, np.ndarray]]:
    """Yield a complex with its chains in order of length, once for each order of chains of one length.

    With it come the ``(L,)`` indices of its residues in the complex.
    """

    def of_side(side: tuple[str, ...]) -> list[tuple[int, ...]]:
        usual = tuple(sorted(range(len(side)), key=lambda number: len(side[number])))
        if len(side) > MOST_CHAINS:
            return [usual]
        wanted = [len(side[number]) for number in usual]
        orders: dict[tuple[str, ...], tuple[int, ...]] = {}
        for order in permutations(range(len(side))):
            if [len(side[number]) for number in order] == wanted:
                orders.setdefault(tuple(side[number] for number in order), order)
        return [orders[chains] for chains in sorted(orders)]

    ends = np.cumsum([len(chain) for chain in item.chains])
    places = [np.arange(end - len(chain), end) for chain, end in zip(item.chains, ends, strict=True)]
    for first, second in product(of_side(item.ligand), of_side(item.receptor)):
        sides = (
            tuple(item.ligand[number] for number in first),
            tuple(item.receptor[number] for number in second),
        )
        numbers = [*first, *(len(first) + number for number in second)]
        yield sides, np.concatenate([places[number] for number in numbers])


def _numbers(item: Complex) -> np.ndarray:
    """Return the indices of the residues of a complex, and -1."""
    return np.append(np.arange(sum(map(len, item.chains))), -1)


def _exchanged_numbers(item: Complex) -> np.ndarray:
    """Return the indices of the residues of a complex, those of its receptor first, and -1."""
    ligand = sum(map(len, item.ligand))
    return np.append(np.roll(_numbers(item)[:-1], -ligand), -1)


def _lengths(sides: _Sides) -> _Lengths:
    return tuple(tuple(map(len, side)) for side in sides)


def _residues(sides: _Sides) -> np.ndarray:
    text = "".join(chain for side in sides for chain in side)
    return np.frombuffer(text.encode("ascii"), dtype=np.uint8)


def _cut(residues: np.ndarray, lengths: _Lengths) -> _Sides:
    """Return the chains of a row of residues."""
    text = residues.tobytes().decode("ascii")
    chains = []
    for length in (length for side in lengths for length in side):
        chains.append(text[:length])
        text = text[length:]
    ligand = len(lengths[0])
    return tuple(chains[:ligand]), tuple(chains[ligand:])
