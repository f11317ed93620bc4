"""Splits that keep whole similarity groups together: strict, k-fold and cold-target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import networkx as nx
import numpy as np

from data_curation.assignment import LARGEST_SHARE, deal
from data_curation.errors import AssignmentError
from data_curation.immunoglobulin import MaskedChain, mask_chains
from data_curation.records import TEST, TRAIN, VALIDATION, Sides
from data_curation.similarity import receptor_groups, similar_across, strict_groups

#: A fold for complexes of groups that are too large for any fold: they train in every one.
ALWAYS_TRAIN = -1


def strict_split(
    complexes: Sequence[Sides],
    features: Mapping[str, np.ndarray],
    *,
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    min_identity: float = 0.3,
    coverage: float = 0.8,
) -> dict[str, str]:
    """Split so that no two parts share a similar chain or a similar pair of sides.

    What is similar: see `data_curation.similarity`. The largest groups train; the others are dealt so
    that the parts resemble one another in size, source and pKd (`data_curation.assignment`). Afterwards
    every chain of validation and test is searched against all chains of the other parts; groups with a
    hit are joined and dealt again, until there is none.

    Parameters
    ----------
    complexes
        What is to be split.
    features
        What is balanced, by complex id.
    ratios
        Parts of train, validation and test, in the sum 1.
    seed
        Decides between groups of one size.
    min_identity, coverage
        When two chains are similar: identity, and part of the shorter chain that the alignment covers.

    Returns
    -------
    dict
        ``train``, ``validation`` or ``test`` by complex id, in the order of `complexes`.

    Raises
    ------
    AssignmentError
        If the ratios are not three numbers above zero with sum 1.
    MMseqsError
        If MMseqs2 is absent or fails.
    """
    _check_ratios(ratios)
    masked = mask_chains(chain for item in complexes for chain in item.chains)
    groups = strict_groups(complexes, masked, min_identity=min_identity, coverage=coverage)

    def assign(groups: Sequence[Sequence[str]]) -> dict[str, str]:
        return _three_parts(groups, features, ratios, seed)

    groups = _without_crossings(complexes, masked, groups, assign, min_identity, coverage)
    part = assign(groups)
    return {item.id: part[item.id] for item in complexes}


def strict_folds(
    complexes: Sequence[Sides],
    features: Mapping[str, np.ndarray],
    *,
    folds: int = 5,
    seed: int = 0,
    min_identity: float = 0.3,
    coverage: float = 0.8,
) -> dict[str, int]:
    """Return ``0 .. folds - 1``, or `ALWAYS_TRAIN`, by complex id; parameters as for `strict_split`.

    No two folds share a similar chain or pair of sides. A group with more than a tenth of all complexes
    over `folds` cannot be a fold's test set without being most of it: it trains in every fold.
    """
    if folds < 2:
        raise AssignmentError(f"{folds} folds, at least 2 were expected")
    masked = mask_chains(chain for item in complexes for chain in item.chains)
    groups = strict_groups(complexes, masked, min_identity=min_identity, coverage=coverage)
    limit = max(1.0, LARGEST_SHARE * len(complexes) / folds)

    def assign(groups: Sequence[Sequence[str]]) -> dict[str, str]:
        large = [group for group in groups if len(group) > limit]
        small = [group for group in groups if len(group) <= limit]
        fold = {member: str(ALWAYS_TRAIN) for group in large for member in group}
        for group, index in zip(small, deal(small, features, [1.0] * folds, seed), strict=True):
            fold.update(dict.fromkeys(group, str(index)))
        return fold

    groups = _without_crossings(complexes, masked, groups, assign, min_identity, coverage)
    fold = assign(groups)
    return {item.id: int(fold[item.id]) for item in complexes}


def cold_target_split(
    complexes: Sequence[Sides],
    features: Mapping[str, np.ndarray],
    *,
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    min_identity: float = 0.3,
    coverage: float = 0.8,
) -> dict[str, str]:
    """Split so that no two parts share a receptor family; parameters as for `strict_split`.

    Ligands may recur: the question is how a model does on a new target.
    """
    _check_ratios(ratios)
    masked = mask_chains(chain for item in complexes for chain in item.receptor)
    groups = receptor_groups(complexes, masked, min_identity=min_identity, coverage=coverage)
    part = _three_parts(groups, features, ratios, seed)
    return {item.id: part[item.id] for item in complexes}


def _check_ratios(ratios: tuple[float, float, float]) -> None:
    if len(ratios) != 3 or min(ratios) <= 0 or abs(sum(ratios) - 1) > 1e-6:
        shown = ", ".join(f"{ratio:g}" for ratio in ratios)
        raise AssignmentError(f"ratios are {shown}; train, validation, test above 0 with sum 1 were expected")


def _three_parts(
    groups: Sequence[Sequence[str]],
    features: Mapping[str, np.ndarray],
    ratios: tuple[float, float, float],
    seed: int,
) -> dict[str, str]:
    """Give large groups to training, then deal the others by what each part still lacks."""
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
    complexes: Sequence[Sides],
    masked: Mapping[str, MaskedChain],
    groups: list[list[str]],
    assign: Callable[[Sequence[Sequence[str]]], dict[str, str]],
    min_identity: float,
    coverage: float,
) -> list[list[str]]:
    """Join groups until no chain of one part is similar to a chain of another."""
    while True:
        part = assign(groups)
        links = nx.Graph()
        for group in groups:
            nx.add_path(links, [("complex", member) for member in group])
        crossings = 0
        sizes = Counter(part.values())
        for name in sorted(sizes, key=lambda name: (sizes[name], name))[:-1]:
            inside = [item for item in complexes if part[item.id] == name]
            outside = [item for item in complexes if part[item.id] != name]
            pairs = similar_across(inside, outside, masked, min_identity=min_identity, coverage=coverage)
            crossings += len(pairs)
            links.add_edges_from(pairs)
        if not crossings:
            return groups
        for item in complexes:
            links.add_edges_from(
                (("complex", item.id), masked[c].residues) for c in item.chains if masked[c].residues in links
            )
        members = (
            sorted(node[1] for node in component if isinstance(node, tuple))
            for component in nx.connected_components(links)
        )
        groups = sorted((ids for ids in members if ids), key=lambda ids: (-len(ids), ids[0]))
