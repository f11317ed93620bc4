"""ESM3-open (Hayes et al. 2025), conditioned on sequence only."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, silu

from ppi.backbones.checkpoints import ESM3_FILE, ESM3_FILES, Checkpoint
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.esmc import VOCABULARY
from ppi.backbones.loading import (
    Source,
    content_hash,
    fetch,
    pinned,
    refuse_foreign_keys,
    unavailable,
    with_random_weights,
)
from ppi.backbones.packing import Pack, Rotary
from ppi.errors import BackboneError

_HEAD_WIDTH = 64
#: Depth at which residual branches are added unscaled.
_UNSCALED_DEPTH = 36

_SEQUENCE_TOKENS = 64
_STRUCTURE_TOKENS, _STRUCTURE_MASK = 4101, 4096
#: The structure token for <cls>, <eos> and the chain break of the sequence; all others have a mask.
_STRUCTURE_OF_SPECIAL = {0: 4098, 2: 4097, 31: 4100}
_SS8_TOKENS, _SASA_TOKENS, _FUNCTION_TOKENS, _FUNCTION_PARTS = 11, 19, 260, 8
_NOTHING_KNOWN = 0
_PLDDT_BINS = 16
_AVERAGE_PLDDT, _RESIDUE_PLDDT = 1.0, 0.0

# Published tensors that do not affect an embedding here. The output heads follow it. The output of geometric
# attention is zeroed wherever a residue has no coordinates, and the projection after it has no bias, so
# without a structure it adds zero. Residue annotations are summed, and here there are none.
_UNUSED = re.compile(r"output_heads\.|transformer\.blocks\.\d+\.geom_attn\.|encoder\.residue_embed\.")
_BLOCK = re.compile(r"transformer\.blocks\.(\d+)\.")


class Esm3Backbone(PackedEncoder):
    """The trunk of ESM3 over packed tokens.

    A unit is ``<cls> chain | chain <eos>``, with the published chain break. Structure is masked, and
    secondary structure, accessibility and function are unknown, as in the published model for sequence input.
    """

    projections_in = ("attn.layernorm_qkv.1",)
    projection_out = "attn.out_proj"

    def __init__(self, model: Esm3Trunk, source: Source, spec: str, identity: str) -> None:
        super().__init__(
            vocabulary=VOCABULARY,
            width=model.transformer.norm.normalized_shape[0],
            depth=len(model.transformer.blocks),
            spec=spec,
            identity=identity,
            layers=source.layers,
            dtype=source.dtype,
        )
        self.model, self.licence, self.max_residues = model, source.licence, source.limit
        self.attention_heads = self.dim // len(self.layers) // _HEAD_WIDTH

    @property
    def blocks(self) -> nn.ModuleList:
        return self.model.transformer.blocks

    @property
    def final_norm(self) -> nn.Module:
        return self.model.transformer.norm

    def states(self, ids: Tensor, pack: Pack) -> Iterator[Tensor]:
        hidden = self.model.encoder(ids)
        rotary = Rotary(_HEAD_WIDTH, pack.positions, hidden.dtype)
        yield hidden
        scale = (len(self.blocks) / _UNSCALED_DEPTH) ** 0.5
        for number, block in enumerate(self.blocks, start=1):
            hidden = self.run_block(partial(block, pack=pack, rotary=rotary, scale=scale), hidden)
            yield self.final_norm(hidden) if number == len(self.blocks) else hidden


class Esm3Trunk(nn.Module):
    """The modules of ESM3 that an embedding of a sequence needs, with their published names.

    Parameters
    ----------
    width, depth
        Width of a hidden state, a multiple of 64, and number of blocks.
    inner
        Hidden width of the feed-forward networks.
    """

    def __init__(self, width: int, depth: int, inner: int) -> None:
        super().__init__()
        self.encoder = _Encoder(width)
        self.transformer = _Transformer(width, depth, inner)


class _Encoder(nn.Module):
    """The sum of the embeddings of all tracks, of which only the sequence varies."""

    structure_tokens: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sequence_embed = nn.Embedding(_SEQUENCE_TOKENS, width)
        self.plddt_projection = nn.Linear(_PLDDT_BINS, width)
        self.structure_per_res_plddt_projection = nn.Linear(_PLDDT_BINS, width)
        self.structure_tokens_embed = nn.Embedding(_STRUCTURE_TOKENS, width)
        self.ss8_embed = nn.Embedding(_SS8_TOKENS, width)
        self.sasa_embed = nn.Embedding(_SASA_TOKENS, width)
        part = width // _FUNCTION_PARTS
        self.function_embed = nn.ModuleList(
            nn.Embedding(_FUNCTION_TOKENS, part) for _ in range(_FUNCTION_PARTS)
        )
        # Only rows of padding are read, which training does not change. They need not be zero.
        self.function_embed.requires_grad_(False)
        tokens = [_STRUCTURE_OF_SPECIAL.get(token, _STRUCTURE_MASK) for token in range(_SEQUENCE_TOKENS)]
        # They are on the CPU even if the weights are on the meta device, as before loading.
        self.register_buffer("structure_tokens", torch.tensor(tokens, device="cpu"), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Embed ``(N,)`` tokens."""
        structure = self.structure_tokens_embed(self.structure_tokens)
        return embedding(ids, self.sequence_embed.weight + structure + self._constant())

    def _constant(self) -> Tensor:
        """Return ``(D,)``, the sum of the embeddings of all tracks except sequence and structure."""
        average, residue = (
            _plddt_features(value, like=self.sequence_embed.weight)
            for value in (_AVERAGE_PLDDT, _RESIDUE_PLDDT)
        )
        function = [part.get_parameter("weight")[_NOTHING_KNOWN] for part in self.function_embed]
        constant: Tensor = self.plddt_projection(average) + self.structure_per_res_plddt_projection(residue)
        return (
            constant
            + self.ss8_embed.weight[_NOTHING_KNOWN]
            + self.sasa_embed.weight[_NOTHING_KNOWN]
            + torch.cat(function)
        )


class _Transformer(nn.Module):
    def __init__(self, width: int, depth: int, inner: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(width, inner) for _ in range(depth))
        self.norm = nn.LayerNorm(width, bias=False)


class _Block(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.attn = _Attention(width)
        self.ffn = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * inner, bias=False),
            _SwiGlu(),
            nn.Linear(inner, width, bias=False),
        )

    def forward(self, hidden: Tensor, pack: Pack, rotary: Rotary, scale: float) -> Tensor:
        """Add attention and feed-forward network, each divided by the scale, to ``(N, D)``."""
        hidden = hidden + self.attn(hidden, pack, rotary) / scale
        expanded: Tensor = self.ffn(hidden)
        return hidden + expanded / scale


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layernorm_qkv = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 3 * width, bias=False))
        self.q_ln = nn.LayerNorm(width, bias=False)
        self.k_ln = nn.LayerNorm(width, bias=False)
        self.out_proj = nn.Linear(width, width, bias=False)

    def forward(self, hidden: Tensor, pack: Pack, rotary: Rotary) -> Tensor:
        """Attend over ``(N, D)``."""
        query, key, value = self.layernorm_qkv(hidden).chunk(3, dim=1)
        query, key, value = (
            part.unflatten(1, (-1, _HEAD_WIDTH)) for part in (self.q_ln(query), self.k_ln(key), value)
        )
        attended = pack.attend(rotary.turn(query), rotary.turn(key), value, scale=_HEAD_WIDTH**-0.5)
        projected: Tensor = self.out_proj(attended)
        return projected


class _SwiGlu(nn.Module):
    def forward(self, expanded: Tensor) -> Tensor:
        gate, value = expanded.chunk(2, dim=1)
        return silu(gate) * value


def _plddt_features(value: float, like: Tensor) -> Tensor:
    """Return the ``(16,)`` Gaussian features, with evenly spaced centres, of a pLDDT from 0 to 1."""
    centres = torch.linspace(0, 1, _PLDDT_BINS, device=like.device)
    return torch.exp(-(((value - centres) * _PLDDT_BINS) ** 2)).to(like.dtype)


def build(source: Source) -> Esm3Backbone:
    """Load the published weights, or make a model with random weights.

    Raises
    ------
    BackboneError
        If the weights cannot be loaded, or are not those of ESM3.
    """
    checkpoint = source.checkpoint
    if source.path is not None:
        file = _weights_file(source.path)
        trunk = _load(source.path, file).to(source.dtype)
        return Esm3Backbone(trunk.eval(), source, source.spec, f"esm3 {content_hash(file)}")
    assert checkpoint is not None
    if source.seed is not None:
        trunk, digest = with_random_weights(lambda: esm3_trunk(checkpoint), source.seed, source.dtype)
        return Esm3Backbone(trunk, source, source.spec, f"{source.spec} {digest}")
    file = fetch(checkpoint.repository, ESM3_FILE, source.revision)
    spec = pinned(source, file.parents[ESM3_FILE.count("/")])
    trunk = _load(checkpoint.repository, file).to(source.dtype)
    return Esm3Backbone(trunk.eval(), source, spec, spec)


def esm3_trunk(checkpoint: Checkpoint) -> Esm3Trunk:
    """Make the trunk of a published checkpoint, without weights."""
    inner = checkpoint.architecture["intermediate_size"]
    assert isinstance(inner, int)
    return Esm3Trunk(checkpoint.width, checkpoint.depth, inner)


def _weights_file(path: Path) -> Path:
    return path if path.is_file() else max(path.glob(ESM3_FILES))


def _load(place: str | Path, file: Path) -> Esm3Trunk:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise unavailable(place, error) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BackboneError(
            f"{place}: the file contains a {type(state).__name__}; give one with the tensors of ESM3"
        )
    used = {name: tensor for name, tensor in state.items() if not _UNUSED.match(name)}
    with torch.device("meta"):
        trunk = _trunk_of(place, used)
    trunk.load_state_dict(used, assign=True)
    return trunk


def _trunk_of(place: str | Path, state: dict[str, Tensor]) -> Esm3Trunk:
    """Make the trunk that fits the names and shapes of tensors."""
    shaping = ("transformer.norm.weight", "transformer.blocks.0.ffn.3.weight")
    refuse_foreign_keys(place, [name for name in shaping if name not in state])
    width, inner = state[shaping[0]].shape[0], state[shaping[1]].shape[-1]
    depth = 1 + max(int(block[1]) for block in map(_BLOCK.match, state) if block)
    if width % _HEAD_WIDTH:
        raise BackboneError(f"{place}: the width is {width}; it must be a multiple of {_HEAD_WIDTH}")
    trunk = Esm3Trunk(width, depth, inner)
    expected = trunk.state_dict()
    unknown = sorted(state.keys() - expected.keys())
    if unknown:
        raise BackboneError(f"{place}: ESM3 has no tensor {unknown[0]} ({len(unknown)} such tensors)")
    reshaped = [name for name in state if state[name].shape != expected[name].shape]
    refuse_foreign_keys(place, expected.keys() - state.keys(), reshaped)
    return trunk
