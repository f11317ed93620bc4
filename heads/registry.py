"""Names of heads, mixers and poolings: the choices of configuration and command line.

A class is named by its path and imported when it is asked for, so that listing the names needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from heads.base import Head

#: What a backbone encodes in one go: a chain, a side or the whole complex.
EncodingUnit = Literal["chain", "side", "complex"]
HeadName = Literal["ec", "sc", "hp", "pad"]
MixerName = Literal["convbert", "none"]
PoolingName = Literal["attention", "mean"]

HEADS: dict[HeadName, str] = {
    "ec": "heads.ec:EmbeddingsConcatenation",
    "sc": "heads.sc:SequencesConcatenation",
    "hp": "heads.hp:HierarchicalPooling",
    "pad": "heads.pad:PooledAttentionAddition",
}
MIXERS: dict[MixerName, str] = {
    "convbert": "heads.mixers:ConvBertMixer",
    "none": "heads.mixers:IdentityMixer",
}
POOLINGS: dict[PoolingName, str] = {
    "attention": "heads.pooling:AttentionPooling",
    "mean": "heads.pooling:MeanPooling",
}


def find(table: Mapping[Any, str], name: str) -> Any:
    """Import the class that `table` has under `name`.

    Raises
    ------
    ValueError
        If the name is not in the table; the message lists those that are.
    """
    if name not in table:
        raise ValueError(f"unknown name {name!r}; there are {', '.join(table)}")
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)


def build_head(
    name: HeadName, dim: int, mixer: MixerName = "convbert", pooling: PoolingName = "attention"
) -> Head:
    """Make a head for residue embeddings of width `dim`.

    Raises
    ------
    ValueError
        If a name is not known or the width does not suit the head or the mixer.
    """
    head: Head = find(HEADS, name)(dim, mixer, pooling)
    return head
