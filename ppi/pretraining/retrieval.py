"""Attention heads of a protein language model that retrieve: that look from a residue at its copy.

"AttentionInfluence" (2025) switches off the retrieval heads of a causal model of text, which attend to what
occurred before. A masked language model of proteins looks both ways, so the measure here is the attention
from each residue of a repeated segment to the same residue of the other copy, earlier or later.
"""

from __future__ import annotations

import numpy as np
import torch

from ppi.backbones.esm2 import Esm2Backbone
from ppi.complexes import AMINO_ACIDS
from ppi.explain.attention.packs import LayerHead, ObservingPack

#: Made-up sequences, residues of the repeated segment, and of each random part before, between and after.
_SEQUENCES, _SEGMENT, _BETWEEN = 32, 40, 30
#: Fraction of the heads that are switched off, at least one.
HEAD_SHARE = 0.05


@torch.inference_mode()
def copy_attention(encoder: Esm2Backbone, *, seed: int) -> np.ndarray:
    """Return the ``(layers, heads)`` mean attention weights from residues to their copies.

    The sequences are random, with each amino acid as likely as any other, so that nothing but the copy tells
    one occurrence of an amino acid from another. Equal attention to all 172 tokens gives 0.006.

    Parameters
    ----------
    encoder
        ESM-2.
    seed
        Seed of the sequences.
    """
    random = np.random.default_rng(seed)
    device = next(encoder.parameters()).device
    found = np.zeros((len(encoder.blocks), encoder.attention_heads))
    for _ in range(_SEQUENCES):
        text, first, second = _with_copy(random)
        tokens = encoder.vocabulary.encode([(text,)])
        places = np.flatnonzero(tokens.residue)
        one, other = torch.from_numpy(places[first]), torch.from_numpy(places[second])
        pack = ObservingPack(len(tokens.ids), device)
        states = encoder.states(torch.from_numpy(tokens.ids).to(device), pack)
        next(states)
        for layer, _state in enumerate(states):
            weights = pack.take()[0].cpu()
            both = weights[:, one, other] + weights[:, other, one]
            found[layer] += both.mean(dim=1).numpy() / 2
    return found / _SEQUENCES


def most_retrieving(scores: np.ndarray) -> list[LayerHead]:
    """Return the heads with the highest scores, the best first: `HEAD_SHARE` of all, at least one."""
    count = max(1, round(HEAD_SHARE * scores.size))
    best = np.argsort(-scores, axis=None, kind="stable")[:count]
    layers, heads = np.unravel_index(best, scores.shape)
    return [(int(layer), int(head)) for layer, head in zip(layers, heads, strict=True)]


def _with_copy(random: np.random.Generator) -> tuple[str, np.ndarray, np.ndarray]:
    """Return a sequence with a repeated segment, and the indices of the residues of both copies."""
    segment, *others = (
        "".join(random.choice(list(AMINO_ACIDS), size=size)) for size in (_SEGMENT, *[_BETWEEN] * 3)
    )
    first = _BETWEEN + np.arange(_SEGMENT)
    return segment.join(others), first, first + _SEGMENT + _BETWEEN
