"""ProtT5 (Elnaggar et al. 2021) and Ankh (Elnaggar et al. 2023): the encoders of T5 models."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel

from heads.kernels.dense import AttentionBias
from ppi.backbones.checkpoints import Checkpoint
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.loading import Source, obtain
from ppi.backbones.packing import Pack, projected_dtype
from ppi.backbones.vocabulary import Vocabulary, in_order
from ppi.complexes import AMINO_ACIDS, UNKNOWN
from ppi.errors import BackboneError

#: Published order of the tokens; a dot marks a token that is not a residue.
_TOKENS = "...ALGVSREDTIPKFQNYMHWCXBOUZ"
#: Tokens of ProtT5, and of Ankh and Ankh2: the same order, then masks.
_PUBLISHED_SIZES = (128, 144)
_PAD, _END = 0, 1
_END_PIECE = "</s>"
#: The first token of Ankh3 for embeddings; it was trained on two tasks with one token each (arXiv
#: 2505.20052).
_TASK_PIECE = "[NLU]"
#: What sentencepiece writes before a piece that starts a word; ProtT5 reads each residue as a word.
_WORD_START = "\u2581"


class T5Backbone(PackedEncoder):
    """The encoder of a T5 model, over packed tokens.

    A unit is ``chain </s> chain </s>``: for one chain as in the training of the model, with the separator of
    arXiv 2505.20036 between several. If the tokenizer of the checkpoint has Ankh3's ``[NLU]``, that token
    comes first.
    """

    projections_in = ("layer.0.SelfAttention.q", "layer.0.SelfAttention.k", "layer.0.SelfAttention.v")
    projection_out = "layer.0.SelfAttention.o"

    def __init__(self, model: T5EncoderModel, source: Source, spec: str, identity: str) -> None:
        config = model.config
        super().__init__(
            vocabulary=_vocabulary(source, config.vocab_size),
            width=config.d_model,
            depth=config.num_layers,
            spec=spec,
            identity=identity,
            layers=source.layers,
            dtype=source.dtype,
        )
        self.model, self.licence = model, source.licence
        self.attention_heads = config.num_heads
        self.max_residues = source.limit
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # The dropout of the feed-forward layers, which would apply it in training.

    @property
    def blocks(self) -> nn.ModuleList:
        return self.model.encoder.block

    @property
    def final_norm(self) -> nn.Module:
        return self.model.encoder.final_layer_norm

    def states(self, ids: Tensor, pack: Pack) -> Iterator[Tensor]:
        bias = self._position_bias(pack.longest)
        hidden = self.model.encoder.embed_tokens(ids)
        yield hidden
        for number, block in enumerate(self.blocks, start=1):
            hidden = self.run_block(partial(self._block, block, pack, bias), hidden)
            yield self.final_norm(hidden) if number == len(self.blocks) else hidden

    def _block(self, block: Any, pack: Pack, bias: AttentionBias, hidden: Tensor) -> Tensor:
        attend, feed_forward = block.layer
        attention = attend.SelfAttention
        normed = attend.layer_norm(hidden)
        query, key, value = (
            project(normed).unflatten(1, (self.attention_heads, -1))
            for project in (attention.q, attention.k, attention.v)
        )
        # T5 learns the scale of the scores as part of its projections.
        attended = pack.attend(query, key, value, scale=1.0, bias=bias)
        expanded: Tensor = feed_forward(hidden + attention.o(attended))
        return expanded

    def _position_bias(self, longest: int) -> AttentionBias:
        """Return the learnt bias of the first block, which all blocks share."""
        config = self.model.config
        table = self.model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias
        # Attention on a GPU needs a bias with aligned rows; a multiple of 16 is enough for every data type.
        side = math.ceil(longest / 16) * 16
        distances = torch.arange(1 - side, side, device=table.weight.device)
        buckets = relative_buckets(
            distances, config.relative_attention_num_buckets, config.relative_attention_max_distance
        )
        # The first window holds the most negative distances, those of the last token: hence the flip.
        by_distance = table(buckets).to(projected_dtype(table.weight)).T
        bias = by_distance.unfold(1, side, 1).flip(1).contiguous()
        # A bias depends only on the distance, so that of a shorter sequence is a corner of it.
        return lambda length: bias[:, :length, :length]


def relative_buckets(distances: Tensor, count: int, furthest: int) -> Tensor:
    """Return the bucket of each distance between tokens (Raffel et al. 2020, section 2.1).

    Parameters
    ----------
    distances
        Int64, of any shape: position of the key minus position of the query.
    count
        Number of buckets; half of them are for positive distances.
    furthest
        Distance from which on all distances share one bucket.

    Returns
    -------
    Tensor
        Shape of `distances`; small distances have one bucket each, larger ones share buckets in logarithmic
        steps.
    """
    half = count // 2
    exact = half // 2
    size = distances.abs()
    steps = torch.log(size.clamp(min=exact).float() / exact) / math.log(furthest / exact) * (half - exact)
    shared = (exact + steps.to(torch.int64)).clamp(max=half - 1)
    return torch.where(size < exact, size, shared) + half * (distances > 0)


def build(source: Source) -> T5Backbone:
    """Load a checkpoint, or make a model with random weights.

    Raises
    ------
    BackboneError
        If the weights cannot be loaded.
    """
    model, spec, identity = obtain(
        source, T5EncoderModel.from_pretrained, lambda checkpoint: T5EncoderModel(t5_config(checkpoint))
    )
    return T5Backbone(model, source, spec, identity)


def t5_config(checkpoint: Checkpoint) -> T5Config:
    """Return the configuration of a published checkpoint."""
    settings: dict[str, Any] = dict(checkpoint.architecture)
    return T5Config(
        d_model=checkpoint.width,
        num_layers=checkpoint.depth,
        num_heads=checkpoint.attention_heads,
        pad_token_id=_PAD,
        eos_token_id=_END,
        **settings,
    )


def _vocabulary(source: Source, size: int) -> Vocabulary:
    """Return the vocabulary in the ``tokenizer.json`` of a folder, or the published one if there is none."""
    file = None if source.path is None else source.path / "tokenizer.json"
    if file is not None and file.is_file():
        return _read_vocabulary(file)
    if size not in _PUBLISHED_SIZES:
        raise BackboneError(
            f"{source.spec}: a vocabulary of {size} tokens is neither ProtT5's nor Ankh's; "
            "put the tokenizer.json of the model beside its weights"
        )
    return Vocabulary(in_order(_TOKENS), start=None, separator=_END, end=_END)


def _read_vocabulary(file: Path) -> Vocabulary:
    pieces = _pieces(file)
    absent = [piece for piece in (*AMINO_ACIDS, UNKNOWN, _END_PIECE) if piece not in pieces]
    if absent:
        raise BackboneError(
            f"{file}: not the tokenizer of a protein language model: it has no {', '.join(absent)}"
        )
    end = pieces[_END_PIECE]
    return Vocabulary(pieces, start=pieces.get(_TASK_PIECE), separator=end, end=end)


def _pieces(file: Path) -> Mapping[str, int]:
    """Return the tokens of a ``tokenizer.json``; a piece that starts a word takes precedence."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        vocabulary = content["model"]["vocab"]
        if isinstance(vocabulary, list):
            vocabulary = {piece: token for token, (piece, _) in enumerate(vocabulary)}
        added = {piece["content"]: piece["id"] for piece in content.get("added_tokens", [])}
        words = {piece[1:]: token for piece, token in vocabulary.items() if piece.startswith(_WORD_START)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackboneError(f"{file}: not a tokenizer of the tokenizers library") from error
    return {**vocabulary, **words, **added}
