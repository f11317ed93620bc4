"""Load files of fair-esm, the first published form of ESM-2, ESM-1b and ESM-1v (``.pt``)."""

from __future__ import annotations

import argparse
import pickle
import textwrap
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import EsmConfig, EsmModel

from ppi.backbones.esm2 import Esm2Backbone
from ppi.backbones.loading import Source, content_hash, unavailable
from ppi.errors import BackboneError

#: Name of the architecture of ESM-1b and ESM-1v in fair-esm.
_ESM1B = "roberta_large"
#: Parts of a tensor's name in fair-esm and in `transformers`.
_RENAMED = {
    "embed_tokens.": "embeddings.word_embeddings.",
    "embed_positions.": "embeddings.position_embeddings.",
    "emb_layer_norm_before.": "embeddings.layer_norm.",
    "emb_layer_norm_after.": "encoder.emb_layer_norm_after.",
    "layers.": "encoder.layer.",
    ".self_attn.q_proj.": ".attention.self.query.",
    ".self_attn.k_proj.": ".attention.self.key.",
    ".self_attn.v_proj.": ".attention.self.value.",
    ".self_attn.out_proj.": ".attention.output.dense.",
    ".self_attn_layer_norm.": ".attention.LayerNorm.",
    ".fc1.": ".intermediate.dense.",
    ".fc2.": ".output.dense.",
    ".final_layer_norm.": ".LayerNorm.",
}
#: Tensors that are not used: the language-model head, and rotary frequencies, which are fixed.
_UNUSED = ("lm_head.", ".rot_emb.")


def build(source: Source) -> Esm2Backbone:
    """Load a file of fair-esm.

    Raises
    ------
    BackboneError
        If the file is not one of fair-esm, or its model is not supported.
    """
    assert source.path is not None
    original = _load(source.path)
    model = EsmModel(_config(original), add_pooling_layer=False)
    # Rotary frequencies are computed; all other tensors come from the file, and their names must be known.
    model.load_state_dict(model.state_dict() | _renamed(original.state_dict()), assign=True)
    identity = f"esm2 {content_hash(source.path)}"
    return Esm2Backbone(model.to(source.dtype).eval(), source, source.spec, identity)


def _load(path: Path) -> Any:
    """Return the model of fair-esm."""
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            data = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise unavailable(path, error) from error
    kind = _kind(path, data)
    try:
        from esm.pretrained import load_model_and_alphabet_core
    except ImportError as error:
        raise BackboneError(
            f"{path}: reading this file needs the package fair-esm; `esm` is missing or another package with "
            "the same import name; run pip uninstall esm, then pip install fair-esm"
        ) from error
    try:
        with warnings.catch_warnings():
            # The package warns about the weights of contact prediction, which are in another file.
            warnings.filterwarnings("ignore", "Regression weights not found")
            model, _ = load_model_and_alphabet_core(kind, data, None)
    except (AttributeError, KeyError, RuntimeError) as error:
        reason = textwrap.shorten(str(error), 500)
        raise BackboneError(f"{path}: these are not the weights of this model: {reason}") from error
    return model


def _kind(path: Path, data: Any) -> str:
    """Return a name by which fair-esm distinguishes ESM-2 from its predecessors."""
    if not isinstance(data, dict) or "model" not in data or not {"cfg", "args"} & data.keys():
        found = ", ".join(map(str, list(data)[:4])) if isinstance(data, dict) else type(data).__name__
        raise BackboneError(
            f"{path}: not a file of fair-esm: it must have model and one of cfg (ESM-2) and args (ESM-1b, "
            f"ESM-1v), but it has {found or 'nothing'}"
        )
    if "cfg" in data:
        return "esm2"
    architecture = getattr(data["args"], "arch", None)
    if architecture != _ESM1B:
        raise BackboneError(
            f"{path}: architecture {architecture!r} of fair-esm is not supported; ESM-2, ESM-1b and ESM-1v "
            f"({_ESM1B!r}) are"
        )
    return "esm1b"


def _config(model: Any) -> EsmConfig:
    """Return the `transformers` configuration of the same architecture."""
    tokens, width = model.embed_tokens.weight.shape
    learned = hasattr(model, "embed_positions")
    settings = model.args if learned else model
    return EsmConfig(
        vocab_size=tokens,
        mask_token_id=model.mask_idx,
        pad_token_id=model.padding_idx,
        hidden_size=width,
        num_hidden_layers=len(model.layers),
        num_attention_heads=settings.attention_heads,
        intermediate_size=model.layers[0].fc1.out_features,
        max_position_embeddings=model.embed_positions.num_embeddings if learned else 1026,
        position_embedding_type="absolute" if learned else "rotary",
        emb_layer_norm_before=getattr(model, "emb_layer_norm_before", None) is not None,
        layer_norm_eps=model.emb_layer_norm_after.eps,
        token_dropout=getattr(settings, "token_dropout", False),
    )


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that an embedding needs, with the names of `transformers`."""
    renamed = {}
    for name, tensor in state.items():
        if not any(part in name for part in _UNUSED):
            for old, new in _RENAMED.items():
                name = name.replace(old, new)
            renamed[name] = tensor
    return renamed
