"""Why a variant was chosen, in words."""

from __future__ import annotations

from collections.abc import Collection

from ppi.prediction.scanning.choice import Variant
from ppi.prediction.suggesting.acquisition import Acquisition

_FIRST = {
    "expected-improvement": "highest expected improvement",
    "upper-bound": "highest upper bound",
}
_NEXT = {
    "expected-improvement": "adds most expected improvement to the variants above",
    "upper-bound": "highest upper bound once the variants above are known",
}
_NOTHING = "no draw is better than the variants above; next in the order of the pool's own scores"


def lead(by: Acquisition, place: int, score: float) -> str:
    """Return what a variant was chosen for.

    Parameters
    ----------
    by
        Acquisition.
    place
        In the batch, counted from 0.
    score
        As `ppi.prediction.suggesting.batch.Batch` has it.
    """
    if by == "thompson":
        return f"best free variant of posterior draw {place + 1}"
    if by == "expected-improvement" and score <= 0:
        return _NOTHING
    return _NEXT[by] if place else _FIRST[by]


def news(variant: Variant, measured: Collection[Variant]) -> str:
    """Return what a variant has that the measured ones do not have."""
    mutations = {mutation for item in measured for mutation in item}
    sites = {mutation.site for mutation in mutations}
    new_sites = [mutation.site for mutation in variant if mutation.site not in sites]
    if new_sites:
        return f"explores {_named(new_sites)}, not yet measured"
    new = [mutation for mutation in variant if mutation not in mutations]
    if new:
        return f"has {', '.join(map(str, new))}, a new residue at a measured position"
    return "combines measured mutations"


def with_interval(value: float, lower: float, upper: float) -> str:
    """Return ``9.10 (8.50 to 9.70)``."""
    return f"{short(value)} ({short(lower)} to {short(upper)})"


def short(value: float) -> str:
    """Return a value as a reader needs it."""
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def _named(sites: Collection[tuple[str, int, int]]) -> str:
    words = [f"{side}:{chain}:{position}" for side, chain, position in sites]
    return f"position{'s' * (len(words) > 1)} {' and '.join(words)}"
