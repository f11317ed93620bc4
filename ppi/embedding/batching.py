"""Batches by a token budget: as many residues as fit, never a fixed number of complexes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def budget_batches(
    lengths: Sequence[int], budget: int, order: Sequence[int] | None = None, *, at_least: int = 1
) -> Iterator[list[int]]:
    """Cut a sequence of items into batches of at most `budget` residues.

    An item longer than the budget is a batch of its own, unless a batch must hold more.

    Parameters
    ----------
    lengths
        Residues of each item.
    budget
        Most residues in a batch.
    order
        Order in which the items are taken; longest first by default.
    at_least
        Fewest items in a batch, 1 or more. A batch is closed only once it holds as many, which may take it
        over the budget, and a last batch with fewer joins the one before; only if there are fewer items in
        all is there a smaller batch.

    Yields
    ------
    list of int
        Indices of the items of one batch.
    """
    if order is None:
        order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    closed: list[int] = []
    batch: list[int] = []
    filled = 0
    for index in order:
        if len(batch) >= at_least and filled + lengths[index] > budget:
            if closed:
                yield closed
            closed, batch, filled = batch, [], 0
        batch.append(index)
        filled += lengths[index]
    if len(batch) < at_least:
        closed, batch = closed + batch, []
    yield from (last for last in (closed, batch) if last)
