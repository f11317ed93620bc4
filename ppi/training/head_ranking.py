"""Choose the attention heads to train by what the language model loses without them.

Source: "Interpreting and Improving Large Language Models in Arithmetic Calculation" (2024), which finds by
knock-out that a few per cent of the heads matter, and fine-tunes only these.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

from heads.names import HEADS
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.esm2 import Esm2Backbone
from ppi.backbones.registry import build_backbone
from ppi.complexes import Complex
from ppi.embedding.here import moved
from ppi.embedding.units import encode_complexes
from ppi.errors import SettingsError
from ppi.explain.attention.knockout import knock_out_backbone, language_head
from ppi.explain.attention.units import SidedUnit, sides_of_units
from ppi.models.tuning import tuned_encoder
from ppi.training.sampling import drawn_rows
from ppi.training.settings import TrainSettings

_LOG = logging.getLogger(__name__)
#: Number of residues of the drawn complexes. Each head takes one forward pass over them.
SAMPLED_RESIDUES = 4096
#: Key of the importances in the record of a run and in the manifest of a model.
RANKED = "attention_heads"

#: Importance of each head by its name LAYER:HEAD, the most important head first.
Importance = dict[str, float]


def rank_heads(settings: TrainSettings, complexes: Sequence[Complex], device: str) -> Importance:
    """Return the importance of the heads that the embeddings come from, measured on drawn complexes.

    Parameters
    ----------
    settings
        Settings of the run, whose seed draws the complexes and the masked residues.
    complexes
        Training complexes.
    device
        Device of the language model.

    Returns
    -------
    dict
        Rise of the masked-language-model loss if the output of a head is zero, in nats per masked residue.

    Raises
    ------
    SettingsError
        If the backbone has no attention heads, or its checkpoint no head of a masked language model.
    ppi.errors.InputError
        If a drawn complex is over the limit of the backbone.
    """
    config = settings.model
    backbone = build_backbone(config.backbone, layers=config.layers, precision=config.precision)
    encoder = tuned_encoder(backbone, config.tuning)
    language = language_head(encoder)
    if isinstance(language, str):
        raise SettingsError(
            f"tuning.attention_heads {config.tuning.attention_heads[0]} needs the loss of a masked language "
            f"model, but {language}; name the heads to train as LAYER:HEAD instead"
        )
    encoder = cast(Esm2Backbone, moved(encoder, device))
    drawn = _drawn(settings, complexes, encoder)
    found = knock_out_backbone(encoder, language, drawn, seed=settings.seed)
    importance = {
        f"{place.layer}:{head}": float(value)
        for (place, head), value in zip(found.attention_heads, found.importance, strict=True)
        if place.layer < encoder.blocks_used
    }
    return dict(sorted(importance.items(), key=lambda item: -item[1]))


def with_best_heads(settings: TrainSettings, importance: Importance) -> TrainSettings:
    """Return the settings with the names of the most important heads instead of their share."""
    tuning = settings.model.tuning
    assert tuning.share is not None
    chosen = list(importance)[: max(1, round(tuning.share * len(importance)))]
    _LOG.info("attention heads to train, LAYER:HEAD from 0: %s", ", ".join(chosen))
    model = settings.model.model_copy(update={"tuning": tuning.with_heads(chosen)})
    return settings.model_copy(update={"model": model})


def _drawn(
    settings: TrainSettings, complexes: Sequence[Complex], encoder: PackedEncoder
) -> list[list[SidedUnit]]:
    """Return the units of complexes that are drawn until they have `SAMPLED_RESIDUES`."""
    unit = HEADS.find(settings.model.head).encoding_unit
    lengths = [sum(map(len, item.chains)) for item in complexes]
    drawn = [complexes[row] for row in drawn_rows(lengths, SAMPLED_RESIDUES, settings.seed)]
    encoded, _ = encode_complexes(drawn, unit, encoder.max_residues, truncate=settings.truncate)
    return [sides_of_units(item, each) for item, each in zip(drawn, encoded, strict=True)]
