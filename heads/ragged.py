"""The packed batch that every head takes, and the primitives over its segments.

Nothing here pads: the residues of all units are concatenated, and `Segments` hold the start of each segment.
The properties of the segments are computed once, when a batch is made, from lengths that stay on the host, so
that no operation has to wait for the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise

import torch
from torch import Tensor

from heads.eager import run_eagerly

LIGAND, RECEPTOR, BOTH = 0, 1, 2

#: The chains of a segment, one after another: side (`LIGAND` or `RECEPTOR`) and number of rows of each.
Chains = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Segments:
    """A division of ``T`` rows into ``S`` consecutive segments, none of them empty.

    Attributes
    ----------
    offsets
        ``(S + 1,)`` int64; segment ``s`` owns rows ``offsets[s]:offsets[s + 1]``.
    lengths
        Number of rows of each segment, on the host.
    ids
        ``(T,)`` int64, the segment of each row.
    chains
        The chains of each segment, on the host; None if they are not known.
    """

    offsets: Tensor
    lengths: tuple[int, ...]
    ids: Tensor
    chains: tuple[Chains, ...] | None = None

    @classmethod
    def from_lengths(
        cls,
        lengths: Sequence[int],
        device: torch.device | str = "cpu",
        chains: Sequence[Chains] | None = None,
    ) -> Segments:
        """Make segments of these lengths.

        Raises
        ------
        ValueError
            If there is no segment, one is empty, or its chains have another number of rows.
        """
        if not lengths:
            raise ValueError("there are no segments; give the length of at least one")
        if min(lengths) < 1:
            empty = next(number for number, length in enumerate(lengths) if length < 1)
            raise ValueError(f"segment {empty} has {lengths[empty]} rows; each needs at least one")
        if chains is not None and [sum(rows for _, rows in each) for each in chains] != list(lengths):
            raise ValueError(f"segments of the lengths {list(lengths)} cannot have the chains {list(chains)}")
        offsets = torch.tensor([0, *accumulate(lengths)])
        ids = torch.repeat_interleave(torch.tensor(lengths), output_size=sum(lengths))
        return cls(offsets, tuple(lengths), ids, None if chains is None else tuple(chains)).to(device)

    def __len__(self) -> int:
        return self.offsets.numel() - 1

    @property
    def rows(self) -> int:
        """Number of rows of all segments, ``T``."""
        return self.ids.numel()

    @property
    def bounds(self) -> tuple[int, ...]:
        """The offsets, on the host."""
        return tuple(accumulate(self.lengths, initial=0))

    def to(self, device: torch.device | str) -> Segments:
        """Return the segments on another device."""
        return Segments(_moved(self.offsets, device), self.lengths, _moved(self.ids, device), self.chains)

    def take(self, order: Sequence[int]) -> tuple[Tensor, Segments]:
        """Return the rows of some segments, one segment after another.

        Parameters
        ----------
        order
            Indices of ``N`` segments.

        Returns
        -------
        tuple
            ``(T',)`` int64 indices of the rows, and the ``N`` segments among them.
        """
        device = self.offsets.device
        chains = None if self.chains is None else [self.chains[number] for number in order]
        taken = Segments.from_lengths([self.lengths[number] for number in order], device, chains)
        shift = self.offsets[_moved(torch.tensor(order), device)] - taken.offsets[:-1]
        return torch.arange(taken.rows, device=device) + shift[taken.ids], taken


@dataclass(frozen=True)
class Layout:
    """The unit, side and complex of each row of a batch; made once and shared by all its values.

    Attributes
    ----------
    units, sides, complexes
        Segments of rows for ``U`` units, ``2 B`` sides (ligand, receptor, ligand, ...) and ``B`` complexes;
        no sides if a complex lacks one.
    units_of_sides, units_of_complexes
        Segments of units for each side and each complex.
    unit_complex
        Index of the complex of each unit, 0 to ``B - 1``, sorted, with none left out.
    unit_role
        `LIGAND`, `RECEPTOR` or `BOTH` for each unit, sorted within a complex.
    """

    units: Segments
    sides: Segments | None
    complexes: Segments
    units_of_sides: Segments | None
    units_of_complexes: Segments
    unit_complex: tuple[int, ...]
    unit_role: tuple[int, ...]

    @classmethod
    def from_units(
        cls,
        lengths: Sequence[int],
        unit_complex: Sequence[int],
        unit_role: Sequence[int],
        device: torch.device | str = "cpu",
        chains: Sequence[Chains] | None = None,
    ) -> Layout:
        """Make the layout of units of these lengths, and of their chains if they are known.

        Raises
        ------
        ValueError
            If there is no unit, a unit is empty, the numbers of units differ, or the complexes are not
            sorted from 0 with none left out.
        """
        if not len(lengths) == len(unit_complex) == len(unit_role):
            raise ValueError(
                f"there are {len(lengths)} lengths, {len(unit_complex)} complexes and {len(unit_role)} roles "
                "of units; give one of each for every unit"
            )
        of_complexes = [(key, len(list(run))) for key, run in groupby(unit_complex)]
        if [key for key, _ in of_complexes] != list(range(len(of_complexes))):
            raise ValueError(
                "the complexes of the units must be sorted, start at 0 and leave no complex out; they are "
                f"{list(unit_complex)}"
            )
        of_sides = [(key, len(list(run))) for key, run in groupby(zip(unit_complex, unit_role, strict=True))]
        paired = [key for key, _ in of_sides] == [
            (number, role) for number in range(len(of_complexes)) for role in (LIGAND, RECEPTOR)
        ]
        sides = [count for _, count in of_sides] if paired else None
        complexes = [count for _, count in of_complexes]
        return cls(
            units=Segments.from_lengths(lengths, device, chains),
            sides=Segments.from_lengths(_grouped(lengths, sides), device) if sides else None,
            complexes=Segments.from_lengths(_grouped(lengths, complexes), device),
            units_of_sides=Segments.from_lengths(sides, device) if sides else None,
            units_of_complexes=Segments.from_lengths(complexes, device),
            unit_complex=tuple(unit_complex),
            unit_role=tuple(unit_role),
        )

    def to(self, device: torch.device | str) -> Layout:
        """Return the layout on another device."""
        return replace(
            self,
            units=self.units.to(device),
            sides=None if self.sides is None else self.sides.to(device),
            complexes=self.complexes.to(device),
            units_of_sides=None if self.units_of_sides is None else self.units_of_sides.to(device),
            units_of_complexes=self.units_of_complexes.to(device),
        )


@dataclass(frozen=True)
class RaggedBatch:
    """Residue embeddings of ``U`` units that belong to ``B`` complexes, ``T`` residues in all.

    Attributes
    ----------
    values
        ``(T, D)`` residue embeddings of all units, one after another.
    layout
        Unit, side and complex of each row.

    Raises
    ------
    ValueError
        If the numbers of rows differ.
    """

    values: Tensor
    layout: Layout

    def __post_init__(self) -> None:
        rows = self.layout.units.rows
        if self.values.dim() != 2 or self.values.shape[0] != rows:
            raise ValueError(
                f"the values have the shape {tuple(self.values.shape)}; the units need ({rows}, D)"
            )

    @classmethod
    def from_units(
        cls,
        values: Tensor,
        lengths: Sequence[int],
        unit_complex: Sequence[int],
        unit_role: Sequence[int],
        chains: Sequence[Chains] | None = None,
    ) -> RaggedBatch:
        """Make a batch of units with these lengths; see `Layout`."""
        return cls(values, Layout.from_units(lengths, unit_complex, unit_role, values.device, chains))

    def __len__(self) -> int:
        return len(self.layout.complexes)

    @property
    def units(self) -> Segments:
        """The rows of each unit."""
        return self.layout.units

    @property
    def complexes(self) -> Segments:
        """The rows of each complex."""
        return self.layout.complexes

    @property
    def sides(self) -> Segments:
        """The rows of each side: ligand, receptor, ligand, ...

        Raises
        ------
        ValueError
            If a complex lacks a side.
        """
        return _with_both_sides(self.layout.sides)

    @property
    def units_of_complexes(self) -> Segments:
        """The units of each complex."""
        return self.layout.units_of_complexes

    @property
    def units_of_sides(self) -> Segments:
        """The units of each side.

        Raises
        ------
        ValueError
            If a complex lacks a side.
        """
        return _with_both_sides(self.layout.units_of_sides)

    def with_values(self, values: Tensor) -> RaggedBatch:
        """Return the batch with other embeddings of the same residues."""
        return replace(self, values=values)

    def with_role(self, role: int) -> RaggedBatch:
        """Return the batch with one role for all units."""
        layout = self.layout
        roles = (role,) * len(layout.unit_role)
        return replace(self, layout=replace(layout, unit_role=roles, sides=None, units_of_sides=None))

    def filled(self, multiple: int) -> RaggedBatch:
        """Return the batch with one more complex, of zeros, so that `multiple` divides the number of rows.

        Its units have the roles of the first complex, and at least one row each.
        """
        layout = self.layout
        roles = layout.unit_role[: layout.units_of_complexes.lengths[0]]
        spare = len(roles) + -(layout.units.rows + len(roles)) % multiple
        ends = [number * spare // len(roles) for number in range(len(roles) + 1)]
        added = [end - start for start, end in pairwise(ends)]
        chains = layout.units.chains
        return RaggedBatch.from_units(
            torch.cat([self.values, self.values.new_zeros(spare, self.values.shape[1])]),
            [*layout.units.lengths, *added],
            [*layout.unit_complex, *[len(self)] * len(roles)],
            [*layout.unit_role, *roles],
            None if chains is None else [*chains, *(((LIGAND, rows),) for rows in added)],
        )

    def to(self, device: torch.device | str) -> RaggedBatch:
        """Return the batch on another device."""
        return RaggedBatch(_moved(self.values, device), self.layout.to(device))

    def exchanged(self) -> RaggedBatch:
        """Return the batch with ligand and receptor of each complex exchanged."""
        return run_eagerly(_exchanged, self)


def _exchanged(batch: RaggedBatch) -> RaggedBatch:
    layout = batch.layout
    order = sorted(
        range(len(layout.unit_role)),
        key=lambda unit: (layout.unit_complex[unit], layout.unit_role[unit] == LIGAND),
    )
    rows, units = layout.units.take(order)
    roles = [LIGAND + RECEPTOR - layout.unit_role[unit] for unit in order]
    return RaggedBatch.from_units(batch.values[rows], units.lengths, layout.unit_complex, roles, units.chains)


def _with_both_sides(segments: Segments | None) -> Segments:
    if segments is None:
        raise ValueError("a complex lacks a side: each complex needs ligand units followed by receptor units")
    return segments


def _grouped(lengths: Sequence[int], counts: Sequence[int]) -> list[int]:
    """Sum the lengths of groups of consecutive units, with the given sizes."""
    return [sum(lengths[start:end]) for start, end in pairwise(accumulate(counts, initial=0))]


def _moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    # Only copies to a GPU may be asynchronous: data on the host are read at once.
    return tensor.to(device, non_blocking=torch.device(device).type == "cuda")


def segment_sum(values: Tensor, segments: Segments) -> Tensor:
    """Sum the rows of each segment in float32 or better: ``(T, D)`` to ``(S, D)``."""
    precise = values.to(torch.promote_types(values.dtype, torch.float32))
    total = precise.new_zeros(len(segments), values.shape[1])
    return torch.index_add(total, 0, segments.ids, precise).to(values.dtype)


def segment_mean(values: Tensor, segments: Segments) -> Tensor:
    """Average the rows of each segment: ``(T, D)`` to ``(S, D)``."""
    return segment_sum(values, segments) / segments.offsets.diff().unsqueeze(1)


def segment_max(values: Tensor, segments: Segments) -> Tensor:
    """Return the largest value of each column in each segment: ``(T, D)`` to ``(S, D)``."""
    ids = segments.ids.unsqueeze(1).expand_as(values)
    largest = values.new_full((len(segments), values.shape[1]), -torch.inf)
    return largest.scatter_reduce(0, ids, values, "amax")


def segment_softmax(scores: Tensor, segments: Segments) -> Tensor:
    """Return the softmax of ``(T, H)`` scores over the rows of each segment, column by column."""
    raised = (scores - segment_max(scores.detach(), segments)[segments.ids]).exp()
    return raised / segment_sum(raised, segments)[segments.ids]
