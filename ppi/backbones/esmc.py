"""ESM C (ESM Cambrian; Candido et al. 2026)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import Tensor, nn
from transformers import EsmcConfig, EsmcModel

from ppi.backbones.checkpoints import Checkpoint
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.loading import Source, obtain
from ppi.backbones.packing import Pack, Rotary
from ppi.backbones.vocabulary import ESM_TOKENS, Vocabulary, in_order

_CLS, _EOS, _CHAIN_BREAK = 0, 2, 31
#: Vocabulary of ESM C and ESM3: ``<cls> chain | chain <eos>``.
VOCABULARY = Vocabulary(in_order(ESM_TOKENS), start=_CLS, separator=_CHAIN_BREAK, end=_EOS)


class EsmcBackbone(PackedEncoder):
    """ESM C over packed tokens.

    A unit is ``<cls> chain | chain <eos>``, with the published chain break. Positions are counted over the
    complete unit, as in the published model, and attention crosses chains.
    """

    projections_in = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    projection_out = "self_attn.o_proj"

    def __init__(self, model: EsmcModel, source: Source, spec: str, identity: str) -> None:
        config = model.config
        super().__init__(
            vocabulary=VOCABULARY,
            width=config.hidden_size,
            depth=config.num_hidden_layers,
            spec=spec,
            identity=identity,
            layers=source.layers,
            dtype=source.dtype,
        )
        self.model, self.licence, self.max_residues = model, source.licence, source.limit
        self.attention_heads = config.num_attention_heads

    @property
    def blocks(self) -> nn.ModuleList:
        return self.model.layers

    @property
    def final_norm(self) -> nn.Module:
        return self.model.norm

    def states(self, ids: Tensor, pack: Pack) -> Iterator[Tensor]:
        config = self.model.config
        hidden = self.model.embed_tokens(ids)
        base = config.rope_parameters["rope_theta"]
        rotary = Rotary(config.head_dim, pack.positions, hidden.dtype, base)
        yield hidden
        for number, layer in enumerate(self.blocks, start=1):
            hidden = self.run_block(partial(self._block, layer, pack, rotary), hidden)
            yield self.final_norm(hidden) if number == len(self.blocks) else hidden

    def _block(self, layer: Any, pack: Pack, rotary: Rotary, hidden: Tensor) -> Tensor:
        attention = layer.self_attn
        normed = layer.input_layernorm(hidden)
        # Queries and keys are normalised over all heads together, then rotated head by head.
        query, key, value = (
            projected.unflatten(1, (self.attention_heads, -1))
            for projected in (
                attention.q_norm(attention.q_proj(normed)),
                attention.k_norm(attention.k_proj(normed)),
                attention.v_proj(normed),
            )
        )
        attended = pack.attend(rotary.turn(query), rotary.turn(key), value, scale=attention.scaling)
        hidden = hidden + attention.o_proj(attended) / layer.scaling_factor
        expanded: Tensor = layer.mlp(layer.post_attention_layernorm(hidden))
        return hidden + expanded / layer.scaling_factor


def build(source: Source) -> EsmcBackbone:
    """Load a checkpoint, or make a model with random weights.

    Raises
    ------
    BackboneError
        If the weights cannot be loaded.
    """
    model, spec, identity = obtain(
        source, EsmcModel.from_pretrained, lambda checkpoint: EsmcModel(esmc_config(checkpoint))
    )
    return EsmcBackbone(model, source, spec, identity)


def esmc_config(checkpoint: Checkpoint) -> EsmcConfig:
    """Return the configuration of a published checkpoint."""
    return EsmcConfig(
        hidden_size=checkpoint.width,
        num_hidden_layers=checkpoint.depth,
        num_attention_heads=checkpoint.attention_heads,
        **checkpoint.architecture,
    )
