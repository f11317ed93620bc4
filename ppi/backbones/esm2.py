"""ESM-2, ESM-1b and ESM-1v (Lin et al. 2023, Rives et al. 2021, Meier et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn.functional import gelu

from ppi.backbones.checkpoints import Checkpoint
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.esm2_layers import read_layers
from ppi.backbones.loading import Source, content_hash, obtain, unavailable
from ppi.backbones.packing import Pack, Rotary
from ppi.backbones.vocabulary import ESM_TOKENS, Vocabulary, in_order

if TYPE_CHECKING:
    from transformers import EsmConfig

_CLS, _PAD, _EOS, _MASK = 0, 1, 2, 32
_SIZE = 33
#: Fraction of training tokens that were masked, and zeroed under "token dropout": 15 % times 80 %.
_KEPT_IN_TRAINING = 1 - 0.15 * 0.8


class Esm2Backbone(PackedEncoder):
    """ESM-2 and its predecessors with the same layers, over packed tokens.

    A unit is ``<cls> chain <eos> chain <eos>``: for one chain as in the training of the model, with the
    separator of arXiv 2505.20036 between several.
    """

    projections_in = ("attention.self.query", "attention.self.key", "attention.self.value")
    projection_out = "attention.output.dense"

    def __init__(self, model: Any, source: Source, spec: str, identity: str) -> None:
        config = model.config
        super().__init__(
            vocabulary=Vocabulary(in_order(ESM_TOKENS), start=_CLS, separator=_EOS, end=_EOS),
            width=config.hidden_size,
            depth=config.num_hidden_layers,
            spec=spec,
            identity=identity,
            layers=source.layers,
            dtype=source.dtype,
        )
        if hasattr(model, "contact_head"):
            del model.contact_head  # The head is not part of an embedding.
        self.model, self.licence = model, source.licence
        self.attention_heads = config.num_attention_heads
        self.rotary = config.position_embedding_type == "rotary"
        # The table of positions starts after the padding token, and <cls> and one <eos> take two positions.
        self.max_residues = source.limit if self.rotary else config.max_position_embeddings - _PAD - 1 - 2

    @property
    def blocks(self) -> nn.ModuleList:
        return self.model.encoder.layer

    @property
    def final_norm(self) -> nn.Module:
        return self.model.encoder.emb_layer_norm_after

    def states(self, ids: Tensor, pack: Pack) -> Iterator[Tensor]:
        width = self.model.config.hidden_size // self.attention_heads
        hidden = self._embeddings(ids, pack)
        rotary = Rotary(width, pack.positions, hidden.dtype) if self.rotary else None
        yield hidden
        for number, layer in enumerate(self.blocks, start=1):
            hidden = self.run_block(partial(self._block, layer, pack, rotary), hidden)
            yield self.final_norm(hidden) if number == len(self.blocks) else hidden

    def _block(self, layer: Any, pack: Pack, rotary: Rotary | None, hidden: Tensor) -> Tensor:
        return self._fed_forward(layer, hidden, self._attended(layer, pack, rotary, hidden))

    def _attended(self, layer: Any, pack: Pack, rotary: Rotary | None, hidden: Tensor) -> Tensor:
        query, key, value = self._projected(layer, rotary, hidden)
        return pack.attend(query, key, value, scale=query.shape[2] ** -0.5)

    def _projected(self, layer: Any, rotary: Rotary | None, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the ``(N, H, E)`` queries, keys and values of a layer."""
        attention = layer.attention
        normed = attention.LayerNorm(hidden)
        query, key, value = (
            project(normed).unflatten(1, (self.attention_heads, -1))
            for project in (attention.self.query, attention.self.key, attention.self.value)
        )
        if rotary is not None:
            query, key = rotary.turn(query), rotary.turn(key)
        return query, key, value

    def _fed_forward(self, layer: Any, hidden: Tensor, attended: Tensor) -> Tensor:
        hidden = hidden + layer.attention.output.dense(attended)
        expanded: Tensor = layer.output.dense(gelu(layer.intermediate.dense(layer.LayerNorm(hidden))))
        return hidden + expanded

    def _embeddings(self, ids: Tensor, pack: Pack) -> Tensor:
        table = self.model.embeddings
        hidden = table.word_embeddings(ids)
        if table.token_dropout:
            hidden = hidden * _KEPT_IN_TRAINING
        if not self.rotary:
            hidden = hidden + table.position_embeddings(pack.positions + _PAD + 1)
        return hidden if table.layer_norm is None else table.layer_norm(hidden)


def build(source: Source) -> Esm2Backbone:
    """Load a checkpoint, or make a model with random weights.

    Raises
    ------
    BackboneError
        If it cannot be loaded.
    """
    if source.path is not None and source.checkpoint is not None and source.checkpoint.ships:
        try:
            model = read_layers(source.path, source.dtype)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise unavailable(source.path, error) from error
        return Esm2Backbone(model, source, source.spec, f"esm {content_hash(source.path)}")
    from transformers import EsmModel

    model, spec, identity = obtain(
        source,
        partial(EsmModel.from_pretrained, add_pooling_layer=False),
        lambda checkpoint: EsmModel(esm2_config(checkpoint), add_pooling_layer=False),
        unused=("contact_head.",),
    )
    return Esm2Backbone(model, source, spec, identity)


def esm2_config(checkpoint: Checkpoint) -> EsmConfig:
    """Return the configuration of a published checkpoint."""
    from transformers import EsmConfig

    settings: dict[str, Any] = {
        "position_embedding_type": "rotary",
        "emb_layer_norm_before": False,
        **checkpoint.architecture,
    }
    return EsmConfig(
        vocab_size=_SIZE,
        mask_token_id=_MASK,
        pad_token_id=_PAD,
        hidden_size=checkpoint.width,
        num_hidden_layers=checkpoint.depth,
        num_attention_heads=checkpoint.attention_heads,
        intermediate_size=4 * checkpoint.width,
        max_position_embeddings=1026,
        layer_norm_eps=1e-5,
        token_dropout=True,
        **settings,
    )
