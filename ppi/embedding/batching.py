"""Batches by a token budget: as many residues as fit, never a fixed number of complexes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def budget_batches(
    lengths: Sequence[int], budget: int, order: Sequence[int] | None = None
) -> Iterator[list[int]]:
    """Cut a sequence of items into batches of at most `budget` residues.

    An item longer than the budget is a batch of its own.

    Parameters
    ----------
    lengths
        Residues of each item.
    budget
        Most residues in a batch.
    order
        Order in which the items are taken; longest first by default.

    Yields
    ------
    list of int
        Indices of the items of one batch.
    """
    if order is None:
        order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batch: list[int] = []
    filled = 0
    for index in order:
        if batch and filled + lengths[index] > budget:
            yield batch
            batch, filled = [], 0
        batch.append(index)
        filled += lengths[index]
    if batch:
        yield batch
