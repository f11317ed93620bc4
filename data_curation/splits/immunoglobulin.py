"""Find antibody chains and mask their constant domains.

Antibodies resemble one another whatever they bind: constant domains are nearly identical, variable
domains are at least 30 % identical. A similarity rule that ignores this puts every antibody complex into one
group. Reference domains are in ``immunoglobulin_domains.fasta``; a chain is

- *an immunoglobulin* if a variable domain of the reference aligns with it at >= 45 % identity over
  >= 70 % of the domain (variable domains of T-cell receptors reach 42 %);
- masked where a constant domain aligns at >= 50 % identity over >= 50 % of the domain, if the chain is
  an immunoglobulin (an Fc that is itself the binding partner keeps its residues);
- masked where beta-2-microglobulin aligns in the same way, in every chain, because it is part of every MHC
  class I molecule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from data_curation.splits.clustering import search

MIN_VARIABLE_IDENTITY, MIN_VARIABLE_COVERAGE = 0.45, 0.7
MIN_CONSTANT_IDENTITY, MIN_CONSTANT_COVERAGE = 0.5, 0.5


@dataclass(frozen=True)
class MaskedChain:
    """A chain as the similarity rules use it.

    Attributes
    ----------
    residues
        The chain with X in place of masked domains; the length is unchanged.
    immunoglobulin
        Whether it has a variable domain of an antibody.
    """

    residues: str
    immunoglobulin: bool


def mask_chains(chains: Iterable[str]) -> dict[str, MaskedChain]:
    """Find variable, constant and beta-2-microglobulin domains in distinct chains.

    Parameters
    ----------
    chains
        Residues of each chain; repeated chains are searched once.

    Returns
    -------
    dict
        `MaskedChain` by chain, in sorted order.

    Raises
    ------
    MMseqsError
        If MMseqs2 is absent or fails.
    """
    distinct = sorted(set(chains))
    hits = search(
        reference_domains(),
        {chain: chain for chain in distinct},
        min_identity=min(MIN_VARIABLE_IDENTITY, MIN_CONSTANT_IDENTITY),
        sensitivity=7.5,
        max_hits=max(1000, len(distinct)),
    )
    return _masked(distinct, hits)


def reference_domains() -> dict[str, str]:
    """Return the reference domains by name; a name starts with ``V|``, ``C|`` or ``B2M|``."""
    text = (files("data_curation.splits") / "immunoglobulin_domains.fasta").read_text(encoding="ascii")
    domains = {}
    for record in text.split(">")[1:]:
        name, *lines = record.splitlines()
        domains[name] = "".join(lines)
    return domains


def _masked(chains: list[str], hits: pd.DataFrame) -> dict[str, MaskedChain]:
    kind = hits["query"].str.split("|").str[0]
    length = hits["query"].map({name: len(domain) for name, domain in reference_domains().items()})
    covered = (hits.query_end - hits.query_start) / length
    variable = (kind == "V") & (hits.identity >= MIN_VARIABLE_IDENTITY) & (covered >= MIN_VARIABLE_COVERAGE)
    immunoglobulins = set(hits.target[variable])
    masks = (hits.identity >= MIN_CONSTANT_IDENTITY) & (covered >= MIN_CONSTANT_COVERAGE)
    masks &= (kind == "B2M") | ((kind == "C") & hits.target.isin(immunoglobulins))

    residues = {chain: bytearray(chain, "ascii") for chain in chains}
    masked = hits.loc[masks, ["target", "target_start", "target_end"]]
    for chain, start, end in masked.itertuples(index=False, name=None):
        residues[chain][start:end] = b"X" * (end - start)
    return {chain: MaskedChain(residues[chain].decode(), chain in immunoglobulins) for chain in chains}
