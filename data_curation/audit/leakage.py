"""The audit of a split: how much of one part is already in another.

The audit shares only MMseqs2 and the masks of antibody domains with the splitters: each chain of validation
and test is searched at the highest sensitivity against every chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_curation.records import TEST, TRAIN, VALIDATION, Sides
from data_curation.splits.clustering import search
from data_curation.splits.immunoglobulin import mask_chains

#: Minimum fraction of the shorter of the two chains that a hit must cover.
MIN_COVERAGE = 0.8
MIN_IDENTITY = 0.3
#: Pairs of a part and another part that it must not resemble.
COMPARISONS = ((TEST, TRAIN), (VALIDATION, TRAIN), (TEST, VALIDATION))
IDENTITY_LEVELS = (0.3, 0.5, 0.9, 1.0)


def similar_chains(queries: Iterable[str], targets: Iterable[str]) -> pd.DataFrame:
    """Return the pairs of similar chains: ``query, target, identity`` (0 to 1), identical ones included.

    MMseqs2 searches at its highest sensitivity, for alignments over 80 % of the shorter chain or more, and at
    most 1,000 targets per query. A chain too short for its prefilter (below about 15 residues) is only found
    if it is identical.

    Raises
    ------
    data_curation.errors.MMseqsError
        If MMseqs2 is absent or fails.
    """
    wanted, known = sorted(set(queries)), sorted(set(targets))
    queries, targets_of = ({chain: chain for chain in chains} for chains in (wanted, known))
    hits = search(queries, targets_of, sensitivity=7.5, max_hits=1000)
    near = hits.loc[
        (hits.coverage >= MIN_COVERAGE) & (hits["query"] != hits.target), ["query", "target", "identity"]
    ]
    same = sorted(set(wanted) & set(known))
    identical = pd.DataFrame({"query": same, "target": same, "identity": 1.0})
    return pd.concat([frame for frame in (near, identical) if len(frame)] or [identical], ignore_index=True)


@dataclass(frozen=True)
class _Similar:
    """Chains similar to each searched chain, in order of increasing identity."""

    hits: dict[str, tuple[np.ndarray, np.ndarray]]
    chains: dict[str, int]

    def best(self, first: Sequence[tuple[str, ...]], second: Sequence[tuple[str, ...]]) -> np.ndarray:
        """Return the ``(len(first), len(second))`` highest identity between any of their chains, 0 if none.

        `first` and `second` contain the chains of complexes or of single sides.
        """
        owners: list[list[int]] = [[] for _ in self.chains]
        for column, chains in enumerate(second):
            for chain in set(chains) & self.chains.keys():
                owners[self.chains[chain]].append(column)
        counts = np.array([len(columns) for columns in owners])
        row_of: dict[str, np.ndarray] = {}
        best = np.zeros((len(first), len(second)), dtype=np.float32)
        for row, chains in enumerate(first):
            for chain in set(chains) & self.hits.keys():
                if chain not in row_of:
                    targets, identity = self.hits[chain]
                    values = np.zeros(len(second), dtype=np.float32)
                    columns = [column for target in targets for column in owners[target]]
                    # If a column occurs more than once, the last and highest value remains.
                    values[columns] = np.repeat(identity, counts[targets])
                    row_of[chain] = values
                np.maximum(best[row], row_of[chain], out=best[row])
        return best


def audit_split(complexes: Sequence[Sides], part: Mapping[str, str]) -> pd.DataFrame:
    """Measure what validation and test share with training and with each other.

    Parameters
    ----------
    complexes
        All complexes of the data set.
    part
        ``train``, ``validation`` or ``test`` by complex id; other complexes are left out.

    Returns
    -------
    DataFrame
        One row for each complex and comparison: ``id, part, against`` (the other part); ``duplicate`` and
        ``swapped_duplicate`` (the same chains on the same or on exchanged sides); ``nearest_identity``
        (highest identity of any two chains, 0 to 1, over 80 % of the shorter or more) and ``nearest_id`` (the
        complex that has it); ``both_sides`` (both sides similar to the two sides of one complex, in
        either orientation); ``strict_violation`` (the strict rule is broken: with antibody constant
        domains and beta-2-microglobulin masked, both sides are similar to those of one complex, or a chain
        that is not an antibody's is similar to one that is not).

    Raises
    ------
    MMseqsError
        If MMseqs2 is absent or fails.
    """
    members = {name: [c for c in complexes if part.get(c.id) == name] for name in (TRAIN, VALIDATION, TEST)}
    everyone = [c for items in members.values() for c in items]
    masked = mask_chains(chain for item in everyone for chain in item.chains)
    # The same complexes as in the strict rule: masked, and without antibody chains.
    as_masked = {c.id: _mapped(c, {chain: m.residues for chain, m in masked.items()}) for c in everyone}
    antibody = {chain for chain, m in masked.items() if m.immunoglobulin}
    others = {
        c.id: tuple(masked[chain].residues for chain in c.chains if chain not in antibody) for c in everyone
    }
    searched = members[VALIDATION] + members[TEST]
    raw = _similar(searched, everyone)
    hidden = _similar([as_masked[c.id] for c in searched], list(as_masked.values()))

    tables = []
    for name, against in COMPARISONS:
        first, second = members[name], members[against]
        nearest = raw.best([c.chains for c in first], [c.chains for c in second])
        broken = _both_sides(hidden, [as_masked[c.id] for c in first], [as_masked[c.id] for c in second])
        broken |= hidden.best([others[c.id] for c in first], [others[c.id] for c in second]) > 0
        same, swapped = _duplicates(first, second)
        neighbour = nearest.argmax(axis=1) if second else np.zeros(len(first), dtype=int)
        best = nearest.max(axis=1, initial=0)
        tables.append(
            pd.DataFrame(
                {
                    "id": [c.id for c in first],
                    "part": name,
                    "against": against,
                    "duplicate": same,
                    "swapped_duplicate": swapped,
                    "nearest_identity": best.round(3),
                    "nearest_id": [
                        second[n].id if value > 0 else "" for n, value in zip(neighbour, best, strict=True)
                    ],
                    "both_sides": _both_sides(raw, first, second).any(axis=1),
                    "strict_violation": broken.any(axis=1),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the fraction of complexes for each finding of `audit_split`, one row per comparison.

    Columns: ``part, against, complexes, duplicate, swapped_duplicate, chain_30, chain_50, chain_90,
    chain_100`` (any chain that identical, in per cent), ``both_sides, strict_violation``; fractions 0 to 1.
    """
    lines = []
    for (part, against), group in rows.groupby(["part", "against"], sort=False):
        line: dict[str, object] = {"part": part, "against": against, "complexes": len(group)}
        line["duplicate"] = group.duplicate.mean()
        line["swapped_duplicate"] = group.swapped_duplicate.mean()
        for level in IDENTITY_LEVELS:
            line[f"chain_{level:.0%}".rstrip("%")] = (group.nearest_identity >= level).mean()
        line["both_sides"] = group.both_sides.mean()
        line["strict_violation"] = group.strict_violation.mean()
        lines.append(line)
    return pd.DataFrame(lines)


def _mapped(item: Sides, residues: Mapping[str, str]) -> Sides:
    ligand, receptor = (tuple(residues[chain] for chain in side) for side in (item.ligand, item.receptor))
    return Sides(item.id, item.pdb, ligand, receptor)


def _similar(searched: Sequence[Sides], everyone: Sequence[Sides]) -> _Similar:
    chains = sorted({chain for item in everyone for chain in item.chains if chain.strip("X")})
    position = {chain: index for index, chain in enumerate(chains)}
    queries = sorted({chain for item in searched for chain in item.chains if chain in position})
    hits = search(
        {chain: chain for chain in queries},
        {chain: chain for chain in chains},
        min_identity=MIN_IDENTITY,
        sensitivity=7.5,
        max_hits=max(1000, len(chains)),
    )
    hits = hits[(hits.coverage >= MIN_COVERAGE) & (hits["query"] != hits.target)]
    hits = hits.assign(target=hits.target.map(position))
    by_chain = dict(list(hits.sort_values("identity").groupby("query")))
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for chain in queries:
        others = by_chain.get(chain, hits[:0])
        found[chain] = (np.append(others.target, position[chain]), np.append(others.identity, 1.0))
    return _Similar(found, position)


def _both_sides(similar: _Similar, first: Sequence[Sides], second: Sequence[Sides]) -> np.ndarray:
    """Return ``(len(first), len(second))`` bool: both sides are similar, in either orientation."""
    ligand, receptor = [c.ligand for c in first], [c.receptor for c in first]
    other_ligand, other_receptor = [c.ligand for c in second], [c.receptor for c in second]
    straight = (similar.best(ligand, other_ligand) > 0) & (similar.best(receptor, other_receptor) > 0)
    crossed = (similar.best(ligand, other_receptor) > 0) & (similar.best(receptor, other_ligand) > 0)
    return straight | crossed


def _duplicates(first: Sequence[Sides], second: Sequence[Sides]) -> tuple[list[bool], list[bool]]:
    present = {(tuple(sorted(c.ligand)), tuple(sorted(c.receptor))) for c in second}
    keys = [(tuple(sorted(c.ligand)), tuple(sorted(c.receptor))) for c in first]
    return [key in present for key in keys], [key[::-1] in present for key in keys]
