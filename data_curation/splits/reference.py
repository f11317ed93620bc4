"""The reference split protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from data_curation.records import TEST, TRAIN, VALIDATION, Sides
from data_curation.splits.clustering import cluster, search


@dataclass(frozen=True)
class Split:
    """An assignment of complexes to parts.

    Attributes
    ----------
    part
        ``train``, ``validation`` or ``test`` by complex id.
    rounds
        Number of rounds of search and moving until no hit remained.
    """

    part: dict[str, str]
    rounds: int


def reference_split(
    complexes: Sequence[Sides],
    *,
    train_fraction: float = 0.75,
    min_identity: float = 0.3,
    coverage: float = 0.8,
) -> Split:
    """Split as in arXiv 2505.20036, but deterministically.

    The sequences of a complex are joined, ligand first, and clustered. Clusters, largest first, go to
    training until it has `train_fraction` of the rows, each with all rows of its PDB entries. The remaining
    rows are searched with the training sequences, and each hit moves to training with its PDB entry, until
    there are no hits. The remainder is clustered again and assigned to test and validation in turn, largest
    cluster first; PDB entries stay together.
    """
    joined = {c.id: "".join(c.chains) for c in complexes}
    pdb = {c.id: c.pdb for c in complexes}
    clusters = cluster(joined, min_identity=min_identity, coverage=coverage)
    rows_of_pdb = _members(pdb)

    train: set[str] = set()
    for members in _largest_first(clusters):
        if len(train) >= train_fraction * len(complexes):
            break
        train |= _with_pdb(members, pdb, rows_of_pdb)

    rounds = 0
    queries = train
    while True:
        rounds += 1
        rest = {i: joined[i] for i in joined if i not in train}
        hits = search(
            {i: joined[i] for i in joined if i in queries},
            rest,
            min_identity=min_identity,
            mutual_coverage=coverage,
        )
        added = _with_pdb(set(hits.target), pdb, rows_of_pdb)
        if not added and queries == train:
            break
        # New training rows are searched first; a final search of all of them confirms the result.
        train = train | added
        queries = added or train

    part = dict.fromkeys(joined, TRAIN) | _deal(rest, pdb, rows_of_pdb, min_identity, coverage)
    return Split(part=part, rounds=rounds)


def _deal(
    rest: Mapping[str, str],
    pdb: Mapping[str, str],
    rows_of_pdb: Mapping[str, list[str]],
    min_identity: float,
    coverage: float,
) -> dict[str, str]:
    part: dict[str, str] = {}
    if not rest:
        return part
    turn = 0
    for members in _largest_first(cluster(rest, min_identity=min_identity, coverage=coverage)):
        waiting = [member for member in members if member not in part]
        if not waiting:
            continue
        destination = (TEST, VALIDATION)[turn % 2]
        turn += 1
        part.update(dict.fromkeys(_with_pdb(waiting, pdb, rows_of_pdb) - part.keys(), destination))
    return part


def _members(group_of: Mapping[str, str]) -> dict[str, list[str]]:
    members: dict[str, list[str]] = {}
    for name, group in group_of.items():
        members.setdefault(group, []).append(name)
    return members


def _largest_first(group_of: Mapping[str, str]) -> list[list[str]]:
    """Return the members of each group; groups of equal size are ordered by representative."""
    size = Counter(group_of.values())
    members = _members(group_of)
    return [members[group] for group in sorted(members, key=lambda group: (-size[group], group))]


def _with_pdb(names: Iterable[str], pdb: Mapping[str, str], rows_of_pdb: Mapping[str, list[str]]) -> set[str]:
    return {row for name in names for row in rows_of_pdb[pdb[name]]}
