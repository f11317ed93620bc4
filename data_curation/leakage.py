"""How close a complex is to what a model was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from data_curation.clustering import search

#: A hit must cover this part of the shorter of the two chains.
MIN_COVERAGE = 0.8


def nearest_identity(complexes: Sequence[Iterable[str]], training_chains: Iterable[str]) -> list[float]:
    """Return each complex's highest identity of any of its chains to any training chain.

    Parameters
    ----------
    complexes
        For each complex, the residues of all its chains.
    training_chains
        Residues of the chains that were trained on.

    Returns
    -------
    list of float
        0 to 1; 0 where no alignment covers 80 % of the shorter chain. A chain too short for the MMseqs2
        prefilter (below about 15 residues) can only be found when it is identical.
    """
    known = set(training_chains)
    chains_of = [set(chains) for chains in complexes]
    wanted = sorted(set().union(*chains_of) - known) if chains_of else []
    best = dict.fromkeys(known, 1.0)
    queries = {chain: chain for chain in wanted}
    targets = {chain: chain for chain in sorted(known)}
    for hit in search(queries, targets, sensitivity=7.5, max_hits=1000):
        if hit.coverage_of_shorter >= MIN_COVERAGE:
            best[hit.query] = max(best.get(hit.query, 0.0), hit.identity)
    return [max((best.get(chain, 0.0) for chain in chains), default=0.0) for chains in chains_of]
