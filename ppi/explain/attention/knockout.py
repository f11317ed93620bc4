"""Importance of heads: what changes if the output of one head is zero.

This is how "Interpreting and Improving Large Language Models in Arithmetic Calculation" (2024) finds the
heads that matter, and AttentionInfluence (2025) the data that need them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np

from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.esm2 import Esm2Backbone
from ppi.complexes import Complex
from ppi.effects.likelihood import LanguageHead
from ppi.embedding.cache import EmbeddingCache
from ppi.errors import BackboneError
from ppi.explain.attention.backbone import BACKBONE
from ppi.explain.attention.language import LanguageLoss
from ppi.explain.attention.mixers import attention_blocks, head_off
from ppi.explain.attention.packs import PackWithoutHeads
from ppi.explain.attention.units import SidedUnit
from ppi.explain.attention.view import Place
from ppi.models.affinity import AffinityModel
from ppi.prediction.engine import predict_with
from ppi.progress import progress_bar


@dataclass(frozen=True)
class Knockout:
    """What switching off each of ``K`` heads does to ``C`` complexes.

    Attributes
    ----------
    attention_heads
        Layer of each head, and its number in the layer.
    effects
        ``(K, C)``: the change of the loss of each complex, or the size of the change of its prediction; NaN
        for a complex without masked residues.
    measure
        What the effects are.
    baseline
        The loss, or the RMSE of the predictions (NaN if no pKd is known), with all heads.
    rmse_changes
        ``(K,)`` change of the RMSE; None for a language model.
    """

    attention_heads: list[tuple[Place, int]]
    effects: np.ndarray
    measure: str
    baseline: float
    rmse_changes: np.ndarray | None = None

    @property
    def importance(self) -> np.ndarray:
        """``(K,)`` mean effect over the complexes."""
        mean: np.ndarray = np.nanmean(self.effects, axis=1)
        return mean


def language_head(encoder: PackedEncoder) -> LanguageHead | str:
    """Return the language head of a backbone, or why there is none."""
    if not isinstance(encoder, Esm2Backbone):
        return f"{encoder.spec} has no head of a masked language model that ppi reads; ppi-mini has one"
    try:
        return LanguageHead.read(encoder.spec)
    except BackboneError as error:
        return str(error)


def knock_out_backbone(
    encoder: Esm2Backbone, head: LanguageHead, complexes: Sequence[Sequence[SidedUnit]], *, seed: int
) -> Knockout:
    """Measure the change of the masked-language-model loss; each distinct unit is computed once a head.

    Parameters
    ----------
    encoder, head
        ESM-2 and its language head.
    complexes
        Units of each complex.
    seed
        Seed of the masks.
    """
    units = list(dict.fromkeys(unit for item in complexes for unit, _ in item))
    number = {unit: place for place, unit in enumerate(units)}
    own = [[number[unit] for unit, _ in item] for item in complexes]
    loss = LanguageLoss(encoder, head, units, seed=seed)
    base, count = loss.per_unit()
    masked = np.array([count[each].sum() for each in own], dtype=float)
    masked[masked == 0] = np.nan
    attention_heads = [
        (Place(1, BACKBONE, layer), n)
        for layer in range(len(encoder.blocks))
        for n in range(encoder.attention_heads)
    ]
    effects = np.empty((len(attention_heads), len(own)))
    with progress_bar("switching heads off", len(attention_heads), "heads") as advance:
        for row, (place, n) in enumerate(attention_heads):
            changed, _ = loss.per_unit(partial(PackWithoutHeads, off=[(place.layer, n)]))
            effects[row] = [(changed - base)[each].sum() for each in own] / masked
            advance(1)
    measure = "change of the masked-language-model loss, in nats per masked residue"
    return Knockout(attention_heads, effects, measure, float(base.sum() / count.sum()))


def knock_out_mixers(model: AffinityModel, complexes: Sequence[Complex], cache: EmbeddingCache) -> Knockout:
    """Measure the change of predictions: those of the member whose head is switched off.

    With a read-out all predictions come from one head, and their mean is compared.

    Parameters
    ----------
    model
        Model with an attention mixer.
    complexes
        What is predicted; those with a pKd give the RMSE.
    cache
        Embeddings of the backbone of the model.
    """
    blocks = attention_blocks(model)
    attention_heads = [(place, n) for place, block in blocks.items() for n in range(block.attention.heads)]
    base = predict_with(model, complexes, cache).pkd
    apart = len(model.heads) == len(base)
    pkd = np.array([np.nan if item.pkd is None else item.pkd for item in complexes])
    effects, changes = np.empty((len(attention_heads), len(complexes))), np.empty(len(attention_heads))
    with progress_bar("switching heads off", len(attention_heads), "heads") as advance:
        for row, (place, n) in enumerate(attention_heads):
            with head_off(blocks[place], n):
                changed = predict_with(model, complexes, cache).pkd
            pick = cast(
                Callable[[np.ndarray], np.ndarray],
                (lambda found, m=place.member: found[m - 1]) if apart else (lambda found: found.mean(axis=0)),
            )
            effects[row] = np.abs(pick(changed) - pick(base))
            changes[row] = rmse(pick(changed), pkd) - rmse(pick(base), pkd)
            advance(1)
    measure = "mean absolute change of the predicted pKd"
    return Knockout(attention_heads, effects, measure, rmse(base.mean(axis=0), pkd), changes)


def rmse(predicted: np.ndarray, measured: np.ndarray) -> float:
    """Return the root mean square error over the measured values that are not NaN; NaN if there are none."""
    known = np.isfinite(measured)
    return float(np.sqrt(np.mean((predicted - measured)[known] ** 2))) if known.any() else float("nan")
