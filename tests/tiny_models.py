"""Small language models with random weights, in the published layout."""

from __future__ import annotations

from typing import Any

import torch
from transformers import EsmConfig, EsmModel


def tiny_random_esm2(seed: int = 0, **changes: Any) -> EsmModel:
    """Return an ESM-2 of two layers, two heads and width 32; `changes` go to its configuration."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "vocab_size": 33,
        "mask_token_id": 32,
        "pad_token_id": 1,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 1026,
        "position_embedding_type": "rotary",
        "token_dropout": True,
    }
    return EsmModel(EsmConfig(**(settings | changes)), add_pooling_layer=False)
