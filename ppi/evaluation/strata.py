"""Strata of complexes, which are scored separately."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from ppi.complexes import Complex

#: A complex with a chain at least this identical to a training chain is not new to the model.
NOVELTY_IDENTITY = 0.3
#: Bounds of the novelty bins; the last bin holds its upper bound.
NOVELTY_BOUNDS = (0.0, 0.3, 0.5, 0.9, 1.0)
#: Strata with fewer complexes than this are not scored.
SMALLEST_STRATUM = 10

EVERYTHING = "all"
UNSEEN = "not trained on"


class Stratum(NamedTuple):
    """Some of the complexes: a name, its kind, and ``(N,)`` which rows they are.

    The kinds are ``all``, ``training``, ``novelty``, ``novelty bin``, ``wild types`` and ``source``.
    """

    name: str
    kind: str
    rows: np.ndarray


def strata_of(columns: pd.DataFrame, identity: np.ndarray, trained_on: np.ndarray) -> list[Stratum]:
    """Return the non-empty strata of a table.

    Parameters
    ----------
    columns
        Columns of the table; ``source`` and ``mutations`` are used if they exist.
    identity
        ``(N,)`` highest identity of any chain to a training chain, 0 to 1.
    trained_on
        ``(N,)`` which complexes were trained on; see `all_chains_known`.
    """
    candidates = [Stratum(EVERYTHING, "all", np.ones(len(columns), dtype=bool))]
    if trained_on.any():
        candidates.append(Stratum(UNSEEN, "training", ~trained_on))
    level = f"{NOVELTY_IDENTITY:.0%} identical to a training chain"
    candidates += [
        Stratum(f"a chain >= {level}", "novelty", identity >= NOVELTY_IDENTITY),
        Stratum(f"no chain >= {level}", "novelty", identity < NOVELTY_IDENTITY),
        *_novelty_bins(identity),
    ]
    if "mutations" in columns:
        mutations = columns["mutations"].fillna("").astype(str)
        candidates.append(Stratum("wild types", "wild types", (mutations == "").to_numpy()))
    if "source" in columns:
        source = columns["source"].astype(str).to_numpy()
        taken = {stratum.name for stratum in candidates}
        for name in sorted(set(source)):
            label = f"source {name}" if name in taken else name
            candidates.append(Stratum(label, "source", source == name))
    return [stratum for stratum in candidates if stratum.rows.any()]


def all_chains_known(complexes: Iterable[Complex], training_chains: Iterable[str]) -> np.ndarray:
    """Return ``(N,)`` which complexes have no chain that is not, residue by residue, a training chain.

    These were probably in the training set, but a new complex of two chains that were each trained on with
    another partner cannot be distinguished from them.
    """
    known = set(training_chains)
    return np.array([known.issuperset(item.chains) for item in complexes], dtype=bool)


def _novelty_bins(identity: np.ndarray) -> Iterator[Stratum]:
    for lower, upper in pairwise(NOVELTY_BOUNDS):
        inside = (identity >= lower) & ((identity < upper) | (upper == NOVELTY_BOUNDS[-1]))
        yield Stratum(f"nearest identity {100 * lower:.0f}-{upper:.0%}", "novelty bin", inside)
