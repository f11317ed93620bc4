"""Splits that never divide similarity groups: strict, k-fold and cold-target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import networkx as nx
import numpy as np

from data_curation.errors import AssignmentError
from data_curation.records import TEST, TRAIN, VALIDATION, Sides
from data_curation.splits.assignment import LARGEST_SHARE, deal
from data_curation.splits.immunoglobulin import MaskedChain, mask_chains
from data_curation.splits.similarity import (
    compared_chains,
    compared_receptors,
    receptor_groups,
    similar_across,
    strict_groups,
)

#: Fold number of complexes whose group is too large for any fold: they train in every fold.
ALWAYS_TRAIN = -1


@dataclass(frozen=True)
class Similarity:
    """Complexes and their groups, which a strict split must not divide.

    The comparison of all chains is expensive: it runs once, on first use, and raises `MMseqsError` if MMseqs2
    is absent or fails.

    Attributes
    ----------
    complexes
        Complexes to split.
    min_identity, coverage
        Minimum identity of similar chains, and minimum fraction of the shorter chain that the alignment
        covers.
    """

    complexes: Sequence[Sides]
    min_identity: float = 0.3
    coverage: float = 0.8

    @cached_property
    def masked(self) -> dict[str, MaskedChain]:
        """Masked chains by chain, as `mask_chains` returns them."""
        return mask_chains(chain for item in self.complexes for chain in item.chains)

    @cached_property
    def groups(self) -> list[list[str]]:
        """Ids of complexes that belong together, largest group first."""
        return strict_groups(
            self.complexes, self.masked, min_identity=self.min_identity, coverage=self.coverage
        )

    def compared(self, item: Sides) -> set[str]:
        """Return the masked chains of a complex that must not be similar to any chain of another part."""
        return compared_chains(item, self.masked)


@dataclass(frozen=True)
class ReceptorSimilarity(Similarity):
    """Like `Similarity`, but only for receptor families; antibodies are one family, and ligands may recur.

    Such a split measures the performance of a model on a new target.
    """

    @cached_property
    def masked(self) -> dict[str, MaskedChain]:
        return mask_chains(chain for item in self.complexes for chain in item.receptor)

    @cached_property
    def groups(self) -> list[list[str]]:
        return receptor_groups(
            self.complexes, self.masked, min_identity=self.min_identity, coverage=self.coverage
        )

    def compared(self, item: Sides) -> set[str]:
        return compared_receptors(item, self.masked)


def strict_split(
    similarity: Similarity,
    features: Mapping[str, np.ndarray],
    *,
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> dict[str, str]:
    """Split so that no two parts share a similar chain or a similar pair of sides (for a
    `ReceptorSimilarity`, a similar receptor chain).

    `data_curation.splits.similarity` defines similarity. The largest groups train; the others are assigned so
    that the parts resemble one another in size, source and pKd (`data_curation.splits.assignment`). Then
    every chain of validation and test is searched against all chains of the other parts; groups with a hit
    are joined and assigned again, until there are no hits.

    Parameters
    ----------
    similarity
        Complexes and their groups.
    features
        Features to balance, by complex id.
    ratios
        Fractions of train, validation and test, which sum to 1.
    seed
        Seed for the order of groups of equal size.

    Returns
    -------
    dict
        ``train``, ``validation`` or ``test`` by complex id, in the order of the complexes.

    Raises
    ------
    AssignmentError
        If the ratios are not three numbers above zero with sum 1.
    MMseqsError
        If MMseqs2 is absent or fails.
    """
    _check_ratios(ratios)

    def assign(groups: Sequence[Sequence[str]]) -> dict[str, str]:
        return _three_parts(groups, features, ratios, seed)

    part = assign(_without_crossings(similarity, assign))
    return {item.id: part[item.id] for item in similarity.complexes}


def strict_folds(
    similarity: Similarity, features: Mapping[str, np.ndarray], *, folds: int = 5, seed: int = 0
) -> dict[str, int]:
    """Return the fold, ``0 .. folds - 1`` or `ALWAYS_TRAIN`, by complex id; see `strict_split`.

    No two folds share a similar chain or pair of sides. A group with more than a tenth of all complexes over
    `folds` would be most of a fold's test set, so it trains in every fold.
    """
    if folds < 2:
        raise AssignmentError(f"the number of folds is {folds}; give 2 or more")
    limit = max(1.0, LARGEST_SHARE * len(similarity.complexes) / folds)

    def assign(groups: Sequence[Sequence[str]]) -> dict[str, str]:
        large = [group for group in groups if len(group) > limit]
        small = [group for group in groups if len(group) <= limit]
        fold = {member: str(ALWAYS_TRAIN) for group in large for member in group}
        for group, index in zip(small, deal(small, features, [1.0] * folds, seed), strict=True):
            fold.update(dict.fromkeys(group, str(index)))
        return fold

    fold = assign(_without_crossings(similarity, assign))
    return {item.id: int(fold[item.id]) for item in similarity.complexes}


def _check_ratios(ratios: tuple[float, float, float]) -> None:
    if len(ratios) != 3 or min(ratios) <= 0 or abs(sum(ratios) - 1) > 1e-6:
        shown = ", ".join(f"{ratio:g}" for ratio in ratios)
        raise AssignmentError(
            f"the ratios are {shown}; give three numbers above 0 (train, validation, test) that sum to 1"
        )


def _three_parts(
    groups: Sequence[Sequence[str]],
    features: Mapping[str, np.ndarray],
    ratios: tuple[float, float, float],
    seed: int,
) -> dict[str, str]:
    """Assign large groups to training, then the others by what each part still lacks."""
    total = sum(map(len, groups))
    limit = max(1.0, LARGEST_SHARE * min(ratios[1:]) * total)
    large = [group for group in groups if len(group) > limit]
    small = [group for group in groups if len(group) <= limit]
    part = {member: TRAIN for group in large for member in group}
    if not small:
        return part
    wanted = np.array(ratios) * total - [len(part), 0, 0]
    parts = (TRAIN, VALIDATION, TEST)
    for group, index in zip(small, deal(small, features, np.maximum(wanted, 0).tolist(), seed), strict=True):
        part.update(dict.fromkeys(group, parts[index]))
    return part


def _without_crossings(
    similarity: Similarity, assign: Callable[[Sequence[Sequence[str]]], dict[str, str]]
) -> Sequence[Sequence[str]]:
    """Join groups until no chain of one part is similar to a chain of another."""
    groups = similarity.groups
    while True:
        part = assign(groups)
        crossings = _crossings(similarity, part)
        if not crossings:
            return groups
        groups = _joined(similarity, groups, crossings)


def _crossings(similarity: Similarity, part: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the pairs of similar chains that are in different parts; the largest part is only a target."""
    sizes = Counter(part.values())
    found = []
    for name in sorted(sizes, key=lambda name: (sizes[name], name))[:-1]:
        inside, outside = set[str](), set[str]()
        for item in similarity.complexes:
            (inside if part[item.id] == name else outside).update(similarity.compared(item))
        found += similar_across(
            inside,
            outside,
            min_identity=similarity.min_identity,
            coverage=similarity.coverage,
        )
    return found


def _joined(
    similarity: Similarity, groups: Sequence[Sequence[str]], pairs: Sequence[tuple[str, str]]
) -> list[list[str]]:
    """Join the groups that hold the two chains of a pair."""
    links = nx.Graph()
    for group in groups:
        nx.add_path(links, [("complex", member) for member in group])
    links.add_edges_from(pairs)
    for item in similarity.complexes:
        chains = similarity.compared(item) & links.nodes
        links.add_edges_from((("complex", item.id), residues) for residues in chains)
    members = (
        sorted(node[1] for node in component if isinstance(node, tuple))
        for component in nx.connected_components(links)
    )
    return sorted((ids for ids in members if ids), key=lambda ids: (-len(ids), ids[0]))
