"""What the measures are given: the attention of one layer over one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

#: Kinds of rows, by their number in `UnitRows.kind`.
KINDS = ("special token", "first residue", "other residue")


@dataclass(frozen=True)
class UnitRows:
    """What the ``n`` rows of a unit are.

    Attributes
    ----------
    chain
        ``(n,)`` int64 number of the chain of each row, from 0; -1 for a special token.
    side
        ``(n,)`` int64: 0 for the ligand, 1 for the receptor, -1 for a special token.
    kind
        ``(n,)`` int64 number in `KINDS`; every chain has a first residue.
    """

    chain: Tensor
    side: Tensor
    kind: Tensor

    @classmethod
    def of(
        cls,
        lengths: Sequence[int],
        sides: Sequence[int],
        residue: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> UnitRows:
        """Return the rows of a unit.

        Parameters
        ----------
        lengths, sides
            Number of residues of each chain, and its side.
        residue
            ``(n,)`` bool: whether each row is a residue, not a special token; by default all are.
        device
            Device of the rows.
        """
        counts = torch.tensor(lengths)
        chains = torch.repeat_interleave(counts)
        residue = torch.ones(len(chains), dtype=torch.bool) if residue is None else residue.cpu()
        chain = torch.full((len(residue),), -1)
        chain[residue] = chains
        side = torch.full((len(residue),), -1)
        side[residue] = torch.repeat_interleave(torch.tensor(sides), counts)
        first = residue.clone()
        first[1:] &= chain[1:] != chain[:-1]
        kind = torch.where(residue, 2 - first.long(), 0)
        return cls(*(part.to(device) for part in (chain, side, kind)))


class Place(NamedTuple):
    """A layer with attention.

    Attributes
    ----------
    member
        Number of the member of an ensemble, from 1; 1 for a backbone.
    part
        ``backbone``, ``mixer`` or ``receptor mixer``; ``mixer expert 0`` and so on in a mixture.
    layer
        Number of the layer or block, from 0.
    """

    member: int
    part: str
    layer: int


class LayerView(NamedTuple):
    """The attention of ``H`` heads of one layer over the ``n`` rows of one unit.

    Attributes
    ----------
    place
        The layer.
    unit
        Number of the unit among those that are observed together.
    weights
        ``(H, n, n)`` attention of each row (second axis) to each row (third axis).
    outputs
        ``(n, H, d)`` output of each head.
    hidden
        ``(n, D)`` input of the layer.
    rows
        What the rows are.
    """

    place: Place
    unit: int
    weights: Tensor
    outputs: Tensor
    hidden: Tensor
    rows: UnitRows
