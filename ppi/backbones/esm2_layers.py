"""The modules of ESM-2 with the names of the transformers library, which takes seconds to import."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

_PREFIX = "esm."
#: Prefixes of tensors that an embedding does not need.
_UNUSED = ("esm.contact_head.", "lm_head.")


def read_layers(folder: Path, dtype: torch.dtype) -> Any:
    """Return the modules of a checkpoint in evaluation mode, with its weights and its ``config``.

    Parameters
    ----------
    folder
        Folder with ``config.json`` and ``model.safetensors`` as `ppi.pretraining.model.save_model` writes
        them.
    dtype
        Data type of the weights.

    Raises
    ------
    OSError, KeyError, RuntimeError
        If a file is missing, or the weights do not fit the configuration.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model = _layers(SimpleNamespace(**config))
    weights = {
        name.removeprefix(_PREFIX): tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
        if not name.startswith(_UNUSED) and not name.endswith("inv_freq")
    }
    model.load_state_dict(weights)
    return model.to(dtype).eval()


def _layers(config: SimpleNamespace) -> Any:
    width, inner = config.hidden_size, config.intermediate_size

    def norm() -> nn.Module:
        return nn.LayerNorm(width, eps=config.layer_norm_eps)

    def layer() -> nn.Module:
        projections = {name: nn.Linear(width, width) for name in ("query", "key", "value")}
        attention = {"self": _group(**projections), "output": _group(dense=nn.Linear(width, width))}
        return _group(
            attention=_group(**attention, LayerNorm=norm()),
            intermediate=_group(dense=nn.Linear(width, inner)),
            output=_group(dense=nn.Linear(inner, width)),
            LayerNorm=norm(),
        )

    embeddings = _group(word_embeddings=nn.Embedding(config.vocab_size, width))
    embeddings.token_dropout, embeddings.layer_norm = config.token_dropout, None
    layers = nn.ModuleList(layer() for _ in range(config.num_hidden_layers))
    model = _group(embeddings=embeddings, encoder=_group(layer=layers, emb_layer_norm_after=norm()))
    model.config = config
    return model


def _group(**modules: nn.Module) -> Any:
    group = nn.Module()
    for name, module in modules.items():
        group.add_module(name, module)
    return group
