"""Start a pretraining from a trained model, with additional layers."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from transformers import EsmConfig, EsmForMaskedLM

from ppi.backbones.checkpoints import CHECKPOINTS, shipped_folder
from ppi.backbones.loading import load_checked
from ppi.errors import ModelError
from ppi.pretraining.model import MaskedLanguageModel

_LAYER = "esm.encoder.layer."
#: The last matrix of each half of a layer, and its bias. At zero, the layer changes nothing.
_OUTPUTS = ("attention.output.dense.", "output.dense.")


def grown_weights(name: str, config: EsmConfig) -> dict[str, Tensor]:
    """Return the weights of a trained ESM-2 with additional layers that initially change nothing.

    The added layers are spread evenly. Each is a copy of the layer before it with zero outputs, so that the
    deeper model starts with exactly the predictions of the trained one (Chen et al. 2016, Net2Net).

    Parameters
    ----------
    name
        ``ppi-mini``, or a folder that `transformers.EsmForMaskedLM` reads.
    config
        Configuration of the model to train, at least as deep and otherwise of the same shape.

    Returns
    -------
    dict
        Weights in float32, by the names of `ppi.pretraining.model.MaskedLanguageModel.weights`.

    Raises
    ------
    ModelError
        If there is no such model, or its shape does not fit.
    BackboneError
        If its weights cannot be read or are not those of an ESM-2.
    """
    trained = _read(name)
    for which in ("vocab_size", "hidden_size", "intermediate_size", "num_attention_heads"):
        there, here = getattr(trained.config, which), getattr(config, which)
        if there != here:
            raise ModelError(
                f"{name} has {which} {there}, but this run has {here}; give the same --width and --heads"
            )
    before, now = trained.config.num_hidden_layers, config.num_hidden_layers
    if now < before:
        raise ModelError(f"{name} has {before} layers, this run has {now}; give --depth {before} or more")
    weights = {key: weight.detach() for key, weight in MaskedLanguageModel(trained).weights().items()}
    grown = {key: weight for key, weight in weights.items() if not key.startswith(_LAYER)}
    copied = [layer * before // now for layer in range(now)]
    for layer, source in enumerate(copied):
        added = layer > 0 and copied[layer - 1] == source
        prefix = f"{_LAYER}{source}."
        for key in filter(lambda key: key.startswith(prefix), weights):
            part = key.removeprefix(prefix)
            silent = added and part.startswith(_OUTPUTS)
            grown[f"{_LAYER}{layer}.{part}"] = (
                torch.zeros_like(weights[key]) if silent else weights[key].clone()
            )
    return grown


def _read(name: str) -> EsmForMaskedLM:
    ships = name in CHECKPOINTS and CHECKPOINTS[name].ships
    folder = shipped_folder(name) if ships else Path(name)
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{name}: there is no such model; give ppi-mini or a folder with the weights of an ESM-2"
        )
    model: EsmForMaskedLM = load_checked(
        EsmForMaskedLM.from_pretrained, folder, folder, torch.float32, ("esm.contact_head", "esm.pooler")
    )
    return model
