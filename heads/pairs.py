"""All-against-all scores of ligands and receptors; the work for each single side is done once.

A head whose sides meet only in its last network is *factorised*: sides are pooled once, the first linear
layer is split between them, and a pair costs one activation and one dot product. For any other head that
encodes sides or chains separately, the residues are mixed once and pairs are scored in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import silu

from heads.base import Head
from heads.ragged import LIGAND, RECEPTOR, RaggedBatch

#: Pairs of a block whose hidden values stay in the cache of a core.
_LIGANDS, _RECEPTORS = 16, 32
#: Most residues in a block of pairs.
_BLOCK_RESIDUES = 32_768


@dataclass(frozen=True)
class PairNetwork:
    """The last layers of a factorised head: ``out . silu(ligand l + receptor r + hidden_bias) + bias``.

    Attributes
    ----------
    ligand, receptor
        ``(H, D)`` parts of the first layer.
    hidden_bias, out
        ``(H,)``.
    bias
        ``(1,)``.
    activation
        Whether there is a SiLU; without it the network is linear.
    """

    ligand: Tensor
    receptor: Tensor
    hidden_bias: Tensor
    out: Tensor
    bias: Tensor
    activation: bool

    def scores(self, ligands: Tensor, receptors: Tensor) -> Tensor:
        """Return ``(N, M)`` scores of ``(N, D)`` ligands with ``(M, D)`` receptors."""
        left = ligands @ self.ligand.T
        right = receptors @ self.receptor.T + self.hidden_bias
        if not self.activation:
            return (left @ self.out).unsqueeze(1) + (right @ self.out).unsqueeze(0) + self.bias
        rows = []
        for some in left.split(_LIGANDS):
            blocks = [silu(some.unsqueeze(1) + others) @ self.out for others in right.split(_RECEPTORS)]
            rows.append(torch.cat(blocks, dim=1))
        return torch.cat(rows) + self.bias


@runtime_checkable
class Factorised(Protocol):
    """A head that pools each side independently of the other."""

    def side_vectors(self, sides: RaggedBatch, role: int) -> Tensor:
        """Return ``(N, D)`` vectors of mixed sides, each given as a complex of the batch."""

    def pair_network(self) -> PairNetwork | None:
        """Return the network that joins two such vectors; None if the options of the head do not allow it."""


@runtime_checkable
class PairScoring(Protocol):
    """A head with its own implementation of scoring all pairs of mixed sides."""

    def pair_scores(self, ligands: RaggedBatch, receptors: RaggedBatch) -> Tensor:
        """Return ``(N, M)`` scores of sides, each given as a complex of the batch."""


def pools_apart(head: Head) -> bool:
    """Return whether `represent_sides` agrees with `Head.represent`, whichever role a side has."""
    return isinstance(head, Factorised) and head.pools_alike


def represent_sides(head: Head, sides: RaggedBatch) -> Tensor:
    """Return ``(N, W)``: the representation of each side as `Head.represent` computes it.

    Parameters
    ----------
    head
        Head for which `pools_apart` is true.
    sides
        Embedded sides, each given as a complex; the roles in the batch do not matter.

    Raises
    ------
    ValueError
        If the head does not pool both sides independently and in the same way.
    """
    if not isinstance(head, Factorised) or not head.pools_alike:
        raise ValueError(
            "this head does not pool both sides independently and in the same way, so it cannot represent "
            "one alone"
        )
    factorised: Factorised = head

    def of_role(role: int) -> Tensor:
        return factorised.side_vectors(head.mixed(sides.with_role(role)), role)

    if head.symmetric:
        return (of_role(LIGAND) + of_role(RECEPTOR)) / 2
    return of_role(LIGAND)


def score_pairs(head: Head, ligands: RaggedBatch, receptors: RaggedBatch) -> Tensor:
    """Score every ligand with every receptor.

    Parameters
    ----------
    head
        Head that encodes chains or sides.
    ligands, receptors
        Embedded sides, each given as a complex; the roles in the batches do not matter.

    Returns
    -------
    Tensor
        ``(N, M)``: row ``i`` has the scores of ligand ``i`` with each receptor, equal to what `head` returns
        for each pair.

    Raises
    ------
    ValueError
        If the head reads both sides as one sequence.
    """
    if head.encoding_unit == "complex":
        raise ValueError(
            "this head reads both sides as one sequence, so it cannot score sides that were encoded "
            "separately"
        )
    scores = _scores(head, ligands, receptors)
    if head.symmetric:
        scores = (scores + _scores(head, receptors, ligands).T) / 2
    return scores


def _scores(head: Head, ligands: RaggedBatch, receptors: RaggedBatch) -> Tensor:
    mixed = head.mixed(ligands.with_role(LIGAND)), head.mixed(receptors.with_role(RECEPTOR))
    network = head.pair_network() if isinstance(head, Factorised) else None
    if isinstance(head, Factorised) and network is not None:
        sides = (
            head.side_vectors(batch, role) for batch, role in zip(mixed, (LIGAND, RECEPTOR), strict=True)
        )
        return network.scores(*sides)
    blocks = [_block_scores(head, mixed[0], block) for block in _blocks(mixed[1])]
    return torch.cat(blocks, dim=1)


def _block_scores(head: Head, ligands: RaggedBatch, receptors: RaggedBatch) -> Tensor:
    if isinstance(head, PairScoring):
        return head.pair_scores(ligands, receptors)
    return torch.cat([head.score(_pairs(ligand, receptors))[:, :1].T for ligand in _sides(ligands)])


def weights_of_sides(weight: Tensor, *, joined: bool) -> tuple[Tensor, Tensor]:
    """Return the weights that a layer applies to the ligand and to the receptor.

    If the sides are concatenated, each has half of the columns; if they are added, each has all columns.
    """
    if not joined:
        return weight, weight
    ligand, receptor = weight.chunk(2, dim=1)
    return ligand, receptor


@dataclass(frozen=True)
class _Side:
    values: Tensor
    lengths: tuple[int, ...]
    role: int


def _sides(batch: RaggedBatch) -> Iterator[_Side]:
    units, bounds = batch.units.lengths, batch.units_of_complexes.bounds
    role = batch.layout.unit_role[0]
    residues = batch.values.split(batch.complexes.lengths)
    for values, (start, end) in zip(residues, pairwise(bounds), strict=True):
        yield _Side(values, units[start:end], role)


def _blocks(batch: RaggedBatch) -> Iterator[RaggedBatch]:
    """Cut a batch of sides so that a block of pairs fits in memory."""
    block: list[_Side] = []
    filled = 0
    for side in _sides(batch):
        if block and filled + len(side.values) > _BLOCK_RESIDUES:
            yield _joined([[side] for side in block])
            block, filled = [], 0
        block.append(side)
        filled += len(side.values)
    yield _joined([[side] for side in block])


def _pairs(ligand: _Side, receptors: RaggedBatch) -> RaggedBatch:
    return _joined([[ligand, receptor] for receptor in _sides(receptors)])


def _joined(complexes: Sequence[Sequence[_Side]]) -> RaggedBatch:
    """Make a batch of complexes, each of one side or two."""
    sides = [side for item in complexes for side in item]
    lengths = [length for side in sides for length in side.lengths]
    owners = [number for number, item in enumerate(complexes) for side in item for _ in side.lengths]
    roles = [side.role for side in sides for _ in side.lengths]
    return RaggedBatch.from_units(torch.cat([side.values for side in sides]), lengths, owners, roles)
