"""How much of a prepared pretraining corpus resembles the chains of validation and test.

    python scripts/corpus_overlap.py run/corpus

For each chain: its highest identity to any training sequence of the corpus over 80 % of the shorter of the
two, at the highest sensitivity of MMseqs2 (`data_curation.audit.leakage.similar_chains`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from data_curation.audit.leakage import similar_chains
from data_curation.records import TEST, VALIDATION
from ppi.backbones.vocabulary import ESM_TOKENS
from ppi.datasets import SHIPPED_DATASET, split_dataset
from ppi.pretraining.corpus import TokenizedSequences, open_corpus

LEVELS = (0.3, 0.5, 0.9)
SPLITS = ("split_reference", "split_strict")


def main() -> None:
    """Print a table in Markdown: chains of each part, and how many have a similar sequence at each level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder that ppi pretrain prepared")
    corpus = open_corpus(parser.parse_args().corpus)
    parts = {(split, part): _chains(split, part) for split in SPLITS for part in (VALIDATION, TEST)}
    hits = similar_chains(set().union(*parts.values()), _sequences(corpus.train))
    best = hits.groupby("query").identity.max().to_dict()
    print("| split | part | chains |", " | ".join(f"{level:.0%}" for level in LEVELS), "|")
    print("| --- | --- |" + " --- |" * (1 + len(LEVELS)))
    for (split, part), chains in parts.items():
        shares = [sum(best.get(chain, 0.0) >= level for chain in chains) / len(chains) for level in LEVELS]
        print(f"| {split} | {part} | {len(chains)} |", " | ".join(f"{share:.1%}" for share in shares), "|")


def _chains(split: str, part: str) -> set[str]:
    table = split_dataset(SHIPPED_DATASET, split)
    rows = zip(table.complexes, table.columns["split"], strict=True)
    return {chain for one, where in rows if where == part for chain in (*one.ligand, *one.receptor)}


def _sequences(sequences: TokenizedSequences) -> list[str]:
    letters = bytes.maketrans(bytes(range(4, 4 + len(ESM_TOKENS.strip(".")))), ESM_TOKENS.strip(".").encode())
    residues = sequences.tokens.tobytes().translate(letters).decode()
    return [residues[a:b] for a, b in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True)]


if __name__ == "__main__":
    main()
