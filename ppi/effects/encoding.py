"""What the networks and trees read of a residue: components of its embedding, and what could stand there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ppi.complexes import AMINO_ACIDS
from ppi.effects.likelihood import LanguageHead
from ppi.effects.projection import Projection
from ppi.embedding.cache import EmbeddingCache

#: Chains that are embedded, and then reduced, at a time.
_AT_ONCE = 200
#: Columns of an encoded residue that hold the log-probabilities of the amino acids.
LIKELIHOODS = slice(-len(AMINO_ACIDS), None)


@dataclass(frozen=True)
class ResidueEncoder:
    """Turns embeddings into encoded residues.

    Attributes
    ----------
    projection
        To the leading components.
    head
        Output layer of the language model.
    """

    projection: Projection
    head: LanguageHead

    def __call__(self, embedding: Tensor) -> Tensor:
        """Return ``(L, D + 20)`` for ``(L, E)``: components, then log-probabilities."""
        return torch.cat([self.projection(embedding), self.head(embedding)], dim=1)


def encode_chains(cache: EmbeddingCache, chains: Iterable[str], encoder: ResidueEncoder) -> dict[str, Tensor]:
    """Return the ``(length, D + 20)`` encoded residues of each chain, in float16, each chain by itself."""
    ordered = sorted(set(chains), key=lambda chain: (-len(chain), chain))
    found: dict[str, Tensor] = {}
    for start in range(0, len(ordered), _AT_ONCE):
        part = ordered[start : start + _AT_ONCE]
        embedded = cache.units((chain,) for chain in part)
        found |= {chain: encoder(embedded.rows([(chain,)])).half() for chain in part}
    return found


def sample_rows(cache: EmbeddingCache, chains: Iterable[str], *, rows: int, seed: int) -> Tensor:
    """Return ``(rows, E)`` embeddings of residues drawn from as many chains as that takes."""
    generator = torch.Generator().manual_seed(seed)
    ordered = sorted(set(chains))
    drawn: list[Tensor] = []
    order = torch.randperm(len(ordered), generator=generator).tolist()
    for start in range(0, len(order), _AT_ONCE):
        names = [ordered[place] for place in order[start : start + _AT_ONCE]]
        drawn.append(cache.units((name,) for name in names).rows([(name,) for name in names]))
        if sum(map(len, drawn)) >= 2 * rows:
            break
    found = torch.cat(drawn)
    return found[torch.randperm(len(found), generator=generator)[:rows]]
