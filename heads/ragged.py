"""The packed batch that every head takes, and the primitives over its segments.

Nothing here pads: the residues of all units stand one after another, and ``offsets`` say where each
segment begins. Segment ``s`` owns rows ``offsets[s]:offsets[s + 1]``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

LIGAND, RECEPTOR, BOTH = 0, 1, 2


@dataclass(frozen=True)
class RaggedBatch:
    """Residue embeddings of ``U`` units that belong to ``B`` complexes, ``T`` residues in all.

    Attributes
    ----------
    values
        ``(T, D)`` residue embeddings of all units, one after another.
    unit_offsets
        ``(U + 1,)`` int64; unit ``u`` owns ``values[unit_offsets[u]:unit_offsets[u + 1]]``.
    unit_complex
        ``(U,)`` int64, which complex the unit belongs to, 0 to ``B - 1``, sorted, none left out.
    unit_role
        ``(U,)`` int64, `LIGAND`, `RECEPTOR` or `BOTH`, sorted within a complex.

    Raises
    ------
    ValueError
        If the batch is empty, a unit has no residue, or the shapes do not agree.
    """

    values: Tensor
    unit_offsets: Tensor
    unit_complex: Tensor
    unit_role: Tensor

    def __post_init__(self) -> None:
        units = self.unit_complex.numel()
        if units == 0:
            raise ValueError("a ragged batch needs at least one unit")
        if self.unit_offsets.shape != (units + 1,) or self.unit_role.shape != (units,):
            raise ValueError(
                f"{units} units need {units + 1} offsets and {units} roles, got "
                f"{tuple(self.unit_offsets.shape)} and {tuple(self.unit_role.shape)}"
            )
        if self.values.dim() != 2 or int(self.unit_offsets[-1]) != self.values.shape[0]:
            raise ValueError(
                f"values have shape {tuple(self.values.shape)}, but the last offset is "
                f"{int(self.unit_offsets[-1])}"
            )
        if bool((self.unit_offsets.diff() < 1).any()) or int(self.unit_offsets[0]) != 0:
            raise ValueError("offsets must start at 0 and each unit must have at least one residue")
        steps = self.unit_complex.diff()
        if int(self.unit_complex[0]) != 0 or bool(((steps < 0) | (steps > 1)).any()):
            raise ValueError("unit_complex must be sorted, start at 0 and leave no complex out")

    def __len__(self) -> int:
        return int(self.unit_complex[-1]) + 1

    def with_values(self, values: Tensor) -> RaggedBatch:
        """Return the batch with other embeddings of the same residues."""
        return replace(self, values=values)

    def filled(self, multiple: int) -> RaggedBatch:
        """Return the batch with one more complex, of rows of zeros, so that `multiple` divides the rows.

        Its units have the roles of the first complex, and at least a row each.
        """
        roles = self.unit_role[self.unit_complex == 0]
        spare = roles.numel() + -(self.values.shape[0] + roles.numel()) % multiple
        ends = torch.arange(1, roles.numel() + 1, device=roles.device) * spare // roles.numel()
        return RaggedBatch(
            torch.cat([self.values, self.values.new_zeros(spare, self.values.shape[1])]),
            torch.cat([self.unit_offsets, self.unit_offsets[-1] + ends]),
            torch.cat([self.unit_complex, torch.full_like(roles, len(self))]),
            torch.cat([self.unit_role, roles]),
        )

    def to(self, device: torch.device | str) -> RaggedBatch:
        """Return the batch on another device."""
        return RaggedBatch(
            self.values.to(device),
            self.unit_offsets.to(device),
            self.unit_complex.to(device),
            self.unit_role.to(device),
        )

    def exchanged(self) -> RaggedBatch:
        """Return the batch with ligand and receptor of each complex exchanged."""
        order = torch.argsort(self.unit_complex * 2 + (self.unit_role == LIGAND).long(), stable=True)
        rows, offsets = rows_of_segments(self.unit_offsets, order)
        role = LIGAND + RECEPTOR - self.unit_role[order]
        return RaggedBatch(self.values[rows], offsets, self.unit_complex, role)

    @property
    def complex_offsets(self) -> Tensor:
        """``(B + 1,)`` offsets of the complexes: each segment spans all units of one complex."""
        last = self.unit_complex.diff(append=self.unit_complex.new_tensor([-1])) != 0
        return torch.cat([self.unit_offsets[:1], self.unit_offsets[1:][last]])

    @property
    def side_offsets(self) -> Tensor:
        """``(2 B + 1,)`` offsets of ligand, receptor, ligand, ...: each spans all units of one side.

        Raises
        ------
        ValueError
            If a complex lacks a side.
        """
        side = self.unit_complex * 2 + self.unit_role
        if not torch.equal(torch.unique_consecutive(side), torch.arange(2 * len(self), device=side.device)):
            raise ValueError("each complex must have ligand units followed by receptor units")
        last = side.diff(append=side.new_tensor([-1])) != 0
        return torch.cat([self.unit_offsets[:1], self.unit_offsets[1:][last]])


def segment_ids(offsets: Tensor) -> Tensor:
    """Return for each row the segment that owns it: ``(S + 1,)`` offsets to ``(T,)`` int64."""
    lengths = offsets.diff()
    return torch.repeat_interleave(torch.arange(lengths.numel(), device=offsets.device), lengths)


def segment_sum(values: Tensor, offsets: Tensor) -> Tensor:
    """Sum the rows of each segment in float32 or better: ``(T, D)`` to ``(S, D)``."""
    precise = values.to(torch.promote_types(values.dtype, torch.float32))
    total = precise.new_zeros(offsets.numel() - 1, values.shape[1])
    return torch.index_add(total, 0, segment_ids(offsets), precise).to(values.dtype)


def segment_mean(values: Tensor, offsets: Tensor) -> Tensor:
    """Average the rows of each segment: ``(T, D)`` to ``(S, D)``."""
    return segment_sum(values, offsets) / offsets.diff().unsqueeze(1)


def segment_max(values: Tensor, offsets: Tensor) -> Tensor:
    """Largest value of each column in each segment: ``(T, D)`` to ``(S, D)``."""
    ids = segment_ids(offsets).unsqueeze(1).expand_as(values)
    largest = values.new_full((offsets.numel() - 1, values.shape[1]), -torch.inf)
    return largest.scatter_reduce(0, ids, values, "amax")


def segment_softmax(scores: Tensor, offsets: Tensor) -> Tensor:
    """Softmax over the rows of each segment: ``(T, H)`` scores to weights that sum to 1, column by column."""
    ids = segment_ids(offsets)
    raised = (scores - segment_max(scores.detach(), offsets)[ids]).exp()
    return raised / segment_sum(raised, offsets)[ids]


def rows_of_segments(offsets: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows of some segments, one segment after another.

    Parameters
    ----------
    offsets
        ``(S + 1,)``.
    segments
        ``(N,)`` int64, which segments, in which order.

    Returns
    -------
    tuple of Tensor
        ``(T',)`` int64 numbers of the rows, and the ``(N + 1,)`` offsets of the segments among them.
    """
    lengths = offsets.diff()[segments]
    placed = torch.cat([offsets[:1], lengths.cumsum(0)])
    shift = torch.repeat_interleave(offsets[segments] - placed[:-1], lengths)
    return torch.arange(shift.numel(), device=shift.device) + shift, placed
