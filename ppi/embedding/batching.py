"""Batches by a token budget: a batch has a maximum number of residues, not a fixed number of complexes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def budget_batches(
    lengths: Sequence[int], budget: int, order: Sequence[int] | None = None, *, at_least: int = 1
) -> Iterator[list[int]]:
    """Cut a sequence of items into batches of at most `budget` residues.

    An item longer than the budget is a separate batch, unless `at_least` requires more items.

    Parameters
    ----------
    lengths
        Number of residues of each item.
    budget
        Maximum number of residues in a batch.
    order
        Order in which the items are taken; longest first by default.
    at_least
        Minimum number of items in a batch, 1 or more. A batch is complete only when it has this many, which
        may exceed the budget, and a last batch with fewer joins the one before; a batch is smaller only if
        there are fewer items in all.

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
