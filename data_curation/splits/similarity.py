"""The similarity graph of complexes, whose connected components a split must not divide.

Two complexes are linked if

1. a chain of one and a chain of the other, neither an antibody's, are similar: >= 30 % identity over
   >= 80 % of the shorter chain, with antibody constant domains and beta-2-microglobulin masked;
2. both have, on each of their sides, a chain that is similar to an antibody's variable domain: an
   antibody's, or one of another receptor with such a domain;
3. they come from the same PDB entry.

So no two complexes in different groups have both sides similar, in either orientation: if no pair of chains
satisfies rule 1, each side is similar through an antibody chain, and rule 2 holds. Many peptides are too
short for an alignment to be significant: two of them are also similar if they overlap without gaps over >= 80
% of the shorter at >= 80 % identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import networkx as nx

from data_curation.records import Sides
from data_curation.splits.clustering import near_duplicates, search
from data_curation.splits.immunoglobulin import MaskedChain

#: Chains with fewer residues (X not counted) are compared as peptides.
PEPTIDE_LENGTH = 25
PEPTIDE_IDENTITY, PEPTIDE_OVERLAP = 0.8, 0.8
#: Representatives are compared with this much less identity and coverage, because near-identical chains
#: that they stand for may lie this much closer to one another.
MARGIN = 0.02


def strict_groups(
    complexes: Sequence[Sides],
    masked: Mapping[str, MaskedChain],
    *,
    min_identity: float = 0.3,
    coverage: float = 0.8,
) -> list[list[str]]:
    """Return the connected components of the similarity graph as complex ids, largest first.

    Parameters
    ----------
    complexes
        Complexes to split.
    masked
        Masked chains as `mask_chains` returns them, for each chain of the complexes.
    min_identity, coverage
        Minimum identity and coverage of similar chains.

    Raises
    ------
    MMseqsError
        If MMseqs2 is absent or fails.
    """
    chains_of = {item.id: compared_chains(item, masked) for item in complexes}
    graph = _chain_graph(set().union(*chains_of.values()), min_identity, coverage)
    variable = _like_antibodies(masked, min_identity, coverage)
    for item in complexes:
        node = ("complex", item.id)
        graph.add_edge(node, ("pdb", item.pdb))
        if variable & set(item.ligand) and variable & set(item.receptor):
            graph.add_edge(node, ("variable domains", "both sides"))
        graph.add_edges_from((node, residues) for residues in chains_of[item.id])
    return _components(graph, complexes)


def receptor_groups(
    complexes: Sequence[Sides],
    masked: Mapping[str, MaskedChain],
    *,
    min_identity: float = 0.3,
    coverage: float = 0.8,
) -> list[list[str]]:
    """Return groups of complexes with receptor chains of one family, as complex ids, largest first.

    Parameters and errors are those of `strict_groups`. Antibodies count as one family here.
    """
    chains_of = {item.id: compared_receptors(item, masked) for item in complexes}
    graph = _chain_graph(set().union(*chains_of.values()), min_identity, coverage)
    for name, chains in chains_of.items():
        node = ("complex", name)
        graph.add_node(node)
        graph.add_edges_from((node, residues) for residues in chains)
    return _components(graph, complexes)


def similar_across(
    first: Iterable[str],
    second: Iterable[str],
    *,
    min_identity: float = 0.3,
    coverage: float = 0.8,
) -> list[tuple[str, str]]:
    """Return the pairs of similar chains between two sets of masked chains; all chains are compared, not only
    representatives.
    """
    queries, targets = ({chain: chain for chain in sorted(chains)} for chains in (first, second))
    hits = search(
        queries, targets, min_identity=min_identity, sensitivity=7.5, max_hits=max(1000, len(targets))
    )
    near = hits[hits.coverage >= coverage]
    return list(zip(near["query"], near.target, strict=True))


def compared_chains(item: Sides, masked: Mapping[str, MaskedChain]) -> set[str]:
    """Return the masked residues of the chains that rule 1 compares."""
    chains = {masked[chain] for chain in item.chains}
    return {c.residues for c in chains if not c.immunoglobulin and c.residues.strip("X")}


def compared_receptors(item: Sides, masked: Mapping[str, MaskedChain]) -> set[str]:
    """Return the masked residues of the receptor, including antibodies, without completely masked chains."""
    chains = {masked[chain].residues for chain in item.receptor}
    return {residues for residues in chains if residues.strip("X")}


def _chain_graph(chains: Iterable[str], min_identity: float, coverage: float) -> nx.Graph:
    """Return the graph whose nodes are masked chains and whose edges join similar ones."""
    graph = nx.Graph()
    seen = set(chains)
    graph.add_nodes_from(sorted(seen))
    proteins = {chain: chain for chain in sorted(seen) if _known(chain) >= PEPTIDE_LENGTH}
    representative = near_duplicates(proteins)
    graph.add_edges_from(representative.items())
    peptides = sorted(seen - proteins.keys())
    different = {chain: chain for chain in [*sorted(set(representative.values())), *peptides]}
    hits = search(
        different,
        different,
        min_identity=max(0.0, min_identity - MARGIN),
        sensitivity=7.5,
        max_hits=max(1000, len(different)),
        max_evalue=0.1,
    )
    near = hits[hits.coverage >= coverage - MARGIN]
    graph.add_edges_from(zip(near["query"], near.target, strict=True))
    graph.add_edges_from(_similar_peptides(peptides))
    return graph


def _like_antibodies(masked: Mapping[str, MaskedChain], min_identity: float, coverage: float) -> set[str]:
    """Return the chains that are antibody chains or similar to one."""
    antibodies = {chain for chain, seen in masked.items() if seen.immunoglobulin}
    targets = {chain: masked[chain].residues for chain in sorted(antibodies)}
    queries = {chain: masked[chain].residues for chain in sorted(masked.keys() - antibodies)}
    representative = near_duplicates(queries)
    hits = search(
        {name: queries[name] for name in sorted(set(representative.values()))},
        {name: targets[name] for name in sorted(set(near_duplicates(targets).values()))},
        min_identity=max(0.0, min_identity - MARGIN),
        sensitivity=7.5,
        max_evalue=0.1,
    )
    like = set(hits["query"][hits.coverage >= coverage - MARGIN])
    return antibodies | {chain for chain, name in representative.items() if name in like}


def _known(chain: str) -> int:
    return len(chain) - chain.count("X")


def _similar_peptides(peptides: Sequence[str]) -> Iterator[tuple[str, str]]:
    for i, first in enumerate(peptides):
        for second in peptides[i + 1 :]:
            if similar_peptides(first, second):
                yield first, second


def similar_peptides(first: str, second: str) -> bool:
    """Return whether two peptides match without gaps over most of the shorter one."""
    short, long = sorted((first, second), key=len)
    least = -(-len(short) * PEPTIDE_OVERLAP // 1)
    for shift in range(-len(short) + 1, len(long)):
        overlap = range(max(0, -shift), min(len(short), len(long) - shift))
        if len(overlap) < least:
            continue
        matches = sum(short[i] == long[i + shift] != "X" for i in overlap)
        if matches >= PEPTIDE_IDENTITY * len(overlap):
            return True
    return False


def _components(graph: nx.Graph, complexes: Sequence[Sides]) -> list[list[str]]:
    groups = []
    for component in nx.connected_components(graph):
        ids = sorted(node[1] for node in component if isinstance(node, tuple) and node[0] == "complex")
        if ids:
            groups.append(ids)
    return sorted(groups, key=lambda ids: (-len(ids), ids[0]))
