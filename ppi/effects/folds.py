"""Which complexes may teach what another is predicted with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import networkx as nx
import numpy as np

from data_curation.audit.leakage import similar_chains
from ppi.complexes import Complex
from ppi.effects.interfaces import Interface

#: Least identity, over 80 % of the shorter chain or more, at which two chains are similar.
LEAST_IDENTITY = 0.3
FOLDS = 5


class Similarity:
    """Which chains resemble each other.

    Parameters
    ----------
    complexes
        What is tested, by name.
    interfaces
        What is learnt from beside them.

    Raises
    ------
    data_curation.errors.MMseqsError
        If MMseqs2 is absent or fails.
    """

    def __init__(self, complexes: Mapping[str, Complex], interfaces: Sequence[Interface]) -> None:
        self._complexes = complexes
        queries = {chain for item in complexes.values() for chain in item.chains}
        pairs = similar_chains(queries, queries | {chain for item in interfaces for chain in item.chains})
        near = pairs[pairs.identity >= LEAST_IDENTITY]
        self._near: dict[str, set[str]] = {}
        for query, target in zip(near["query"], near.target, strict=True):
            self._near.setdefault(query, set()).add(target)

    def chains_near(self, names: Sequence[str]) -> set[str]:
        """Return all chains that resemble a chain of these complexes, their own included."""
        own = {chain for name in names for chain in self._complexes[name].chains}
        return own.union(*(self._near.get(chain, set()) for chain in own))

    def folds(self, sizes: Mapping[str, int], folds: int = FOLDS) -> dict[str, int]:
        """Deal clusters of complexes, linked by any two similar chains or by their PDB entry, into folds.

        Parameters
        ----------
        sizes
            Rows of each complex; clusters are dealt by size, the largest first, to the emptiest fold.
        folds
            How many.
        """
        links = nx.Graph()
        links.add_nodes_from(self._complexes)
        owners: dict[str, list[str]] = {}
        for name, item in self._complexes.items():
            links.add_edge(name, ("entry", entry_of(name)))
            for chain in item.chains:
                owners.setdefault(chain, []).append(name)
        for name in self._complexes:
            for chain in self.chains_near([name]):
                links.add_edges_from((name, other) for other in owners.get(chain, ()))
        clusters = [
            sorted(name for name in cluster if isinstance(name, str))
            for cluster in nx.connected_components(links)
        ]
        clusters.sort(key=lambda cluster: (-sum(sizes[name] for name in cluster), cluster))
        filled = np.zeros(folds, dtype=int)
        dealt: dict[str, int] = {}
        for cluster in clusters:
            fold = int(filled.argmin())
            filled[fold] += sum(sizes[name] for name in cluster)
            dealt |= dict.fromkeys(cluster, fold)
        return dealt


def entry_of(structure: str) -> str:
    """Return the PDB entry in the name of a structure, ``PDB_side_side``."""
    return structure.partition("_")[0].upper()


def apart(
    interfaces: Sequence[Interface], structures: Sequence[str], chains: set[str] | None = None
) -> list[Interface]:
    """Return the interfaces of other PDB entries than these structures', and without any of these chains."""
    entries = {entry_of(name) for name in structures}
    unwanted = chains or set()
    return [item for item in interfaces if not (item.entries & entries) and unwanted.isdisjoint(item.chains)]


def folds_by_entry(structures: Sequence[str], folds: int) -> dict[str, int]:
    """Deal structures into folds by their PDB entries, in the order of their names."""
    entries = sorted({entry_of(name) for name in structures})
    return {name: entries.index(entry_of(name)) % folds for name in structures}
