"""What of a pool is left out, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ppi.complexes import Complex
from ppi.effects.mutations import apply_mutations
from ppi.errors import InputError
from ppi.prediction.scanning.choice import Variant
from ppi.prediction.suggesting.liabilities import new_liability
from ppi.prediction.suggesting.pool import Candidate


@dataclass(frozen=True)
class Filtered:
    """What is left of a pool.

    Attributes
    ----------
    candidates
        Each variant once.
    removed
        How many variants were left out, by reason. A variant counts once, for the first that it meets.
    """

    candidates: list[Candidate]
    removed: dict[str, int]

    def __str__(self) -> str:
        return "; ".join(f"{reason}: {count:,}" for reason, count in self.removed.items())


def filtered(
    wild: Complex,
    pool: Sequence[Candidate],
    measured: Collection[Variant],
    *,
    most_mutations: int | None = None,
    avoid: Sequence[str] = (),
) -> Filtered:
    """Return the variants that may be suggested.

    Parameters
    ----------
    wild
        The reference.
    pool
        To choose from.
    measured
        Variants that have been measured.
    most_mutations
        Leave out variants with more mutations.
    avoid
        Liabilities; see `ppi.prediction.suggesting.liabilities.MOTIFS`.

    Raises
    ------
    InputError
        If nothing is left; the message has the count of each filter.
    """
    kept, removed, seen = list[Candidate](), dict[str, int](), set[Variant]()
    for candidate in pool:
        reasons = _reasons(wild, candidate, seen, measured, most_mutations, avoid)
        reason = next(reasons, None)
        if reason is None:
            kept.append(candidate)
        else:
            removed[reason] = removed.get(reason, 0) + 1
        seen.add(candidate.variant)
    found = Filtered(kept, removed)
    if not kept:
        raise InputError(
            f"no variant of the pool of {len(pool):,} is left to suggest. Left out: {found}. Give a larger "
            "pool or fewer filters"
        )
    return found


def _reasons(
    wild: Complex,
    candidate: Candidate,
    seen: Collection[Variant],
    measured: Collection[Variant],
    most_mutations: int | None,
    avoid: Sequence[str],
) -> Iterator[str]:
    if candidate.variant in seen:
        yield "repeated in the pool"
    if not candidate.variant:
        yield "the reference itself"
    if candidate.variant in measured:
        yield "already measured"
    if most_mutations is not None and len(candidate.variant) > most_mutations:
        yield f"more than {most_mutations} mutation(s)"
    if avoid:
        liability = new_liability(wild, apply_mutations(wild, candidate.variant), avoid)
        if liability is not None:
            yield f"new {liability}"
