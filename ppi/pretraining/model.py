"""A masked language model of ESM-2's architecture over packed batches."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import EsmConfig, EsmForMaskedLM

from data_curation.files import atomic_folder
from ppi.backbones.checkpoints import Checkpoint
from ppi.backbones.esm2 import esm2_config
from ppi.backbones.vocabulary import ESM_TOKENS
from ppi.pretraining.encoder import MaskedEncoder
from ppi.pretraining.masking import MaskedBatch

#: The tokens of ESM-2 in order; the special tokens surround `ESM_TOKENS`.
VOCABULARY = ("<cls>", "<pad>", "<eos>", "<unk>", *ESM_TOKENS.strip("."), ".", "-", "<null_1>", "<mask>")


def small_config(*, depth: int, width: int, heads: int, context: int) -> EsmConfig:
    """Return the configuration of ESM-2 at another size, without dropout."""
    millions = round(12 * depth * width**2 / 1e6)
    shape = Checkpoint("esm2", "", millions, width, depth, heads, "", context)
    config = esm2_config(shape)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    config.architectures = ["EsmForMaskedLM"]
    return config


class MaskedLanguageModel(nn.Module):
    """ESM-2 with its head, over packed batches.

    Parameters
    ----------
    model
        Model of the transformers library, whose parameters are used. Its contact head, which pretraining does
        not train, is removed.
    compile_layers
        See `ppi.pretraining.encoder.MaskedEncoder`.
    """

    def __init__(self, model: EsmForMaskedLM, *, compile_layers: bool = False) -> None:
        super().__init__()
        assert model.lm_head.decoder.weight is model.esm.embeddings.word_embeddings.weight
        self.config = model.config
        self.head = model.lm_head
        self.encoder = MaskedEncoder(model.esm, compile_layers=compile_layers)

    def forward(self, batch: MaskedBatch) -> Tensor:
        """Return ``(K, V)`` float32 scores of each token at each masked position."""
        scores: Tensor = self.head(self.encoder.states_of(batch.ids, batch.lengths, batch.rows))
        return scores.float()

    def loss(self, batch: MaskedBatch) -> Tensor:
        """Return the mean cross-entropy of the tokens to predict, in nats."""
        return cross_entropy(self(batch), batch.targets)

    def weights(self) -> dict[str, nn.Parameter]:
        """Return each parameter once, by its name in `EsmForMaskedLM`."""
        parameters = {f"esm.{name}": weight for name, weight in self.encoder.model.named_parameters()}
        seen = {id(weight) for weight in parameters.values()}
        head = {f"lm_head.{name}": weight for name, weight in self.head.named_parameters()}
        return parameters | {name: weight for name, weight in head.items() if id(weight) not in seen}


def make_model(config: EsmConfig, seed: int) -> EsmForMaskedLM:
    """Return a model with random weights, in float32."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EsmForMaskedLM(copy.deepcopy(config))


def save_model(
    config: EsmConfig, weights: Mapping[str, Tensor], folder: Path, manifest: Mapping[str, Any]
) -> None:
    """Write a folder that the transformers library and `ppi.backbones.registry.build_backbone` load.

    Weights are in float16, under the names of the published checkpoints. There is no contact head, because it
    was not trained.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    halved = {name: weight.detach().to("cpu", torch.float16).contiguous() for name, weight in weights.items()}
    halved |= _rotary_frequencies(config)
    with atomic_folder(folder) as unfinished:
        config.save_pretrained(unfinished)
        (unfinished / "model.safetensors").write_bytes(save(halved, metadata={"format": "pt"}))
        (unfinished / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
        (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _rotary_frequencies(config: EsmConfig) -> dict[str, Tensor]:
    """Return the buffers that published checkpoints have in each layer, because the library needs them."""
    width = config.hidden_size // config.num_attention_heads
    frequencies = 10_000.0 ** -(torch.arange(0, width, 2).float() / width)
    name = "esm.encoder.layer.{}.attention.self.rotary_embeddings.inv_freq"
    return {name.format(layer): frequencies.clone() for layer in range(config.num_hidden_layers)}
