"""Diagnose the attention of a language model or of the mixers of a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import torch

from heads.names import EncodingUnit
from ppi.backbones.base import Backbone
from ppi.backbones.esm2 import Esm2Backbone
from ppi.errors import InputError
from ppi.explain.attention.backbone import checked_encoder, observe_backbone
from ppi.explain.attention.collect import Collector
from ppi.explain.attention.data import classes_of
from ppi.explain.attention.knockout import Knockout, knock_out_backbone, knock_out_mixers, language_head
from ppi.explain.attention.mixers import attention_blocks, observe_mixers
from ppi.explain.attention.overlap import overlap
from ppi.explain.attention.result import LAYER_COLUMNS, PLACE, AttentionDiagnosis
from ppi.explain.attention.units import units_of
from ppi.io.tables import ComplexTable
from ppi.prediction.predictor import Predictor
from ppi.progress import progress_bar

_OFF = "the heads were not switched off"


@dataclass(frozen=True)
class DiagnosisSettings:
    """Settings of a diagnosis.

    Attributes
    ----------
    epsilon
        Mean attention, between 0 and 1, from which on a row is a sink; 0.3 as in Gu et al. 2024.
    knock_out
        Whether to switch off each head in turn, which takes a pass over all complexes for each.
    by
        Column with the classes of complexes whose important heads are compared.
    seed
        Seed of masks and of random halves.

    Raises
    ------
    InputError
        If `epsilon` is out of range, or there are classes without a knock-out.
    """

    epsilon: float = 0.3
    knock_out: bool = True
    by: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < 1:
            raise InputError(f"epsilon is {self.epsilon:g}; give a number between 0 and 1, such as 0.3")
        if self.by is not None and not self.knock_out:
            raise InputError(
                f"by {self.by!r} compares the important heads of classes, and heads must be switched off to "
                "measure their importance; leave out --no-knock-out (knock_out=False), or --by"
            )


def diagnose_backbone(
    table: ComplexTable,
    backbone: Backbone,
    *,
    encoding_unit: EncodingUnit = "chain",
    settings: DiagnosisSettings | None = None,
) -> AttentionDiagnosis:
    """Diagnose a language model; each distinct unit counts once.

    Parameters
    ----------
    table
        Complexes.
    backbone
        Language model, on the device where it computes.
    encoding_unit
        What is encoded together; attention from chain to chain needs a side or a complex.
    settings
        See `DiagnosisSettings`.

    Raises
    ------
    InputError
        If the backbone has no attention, a unit is over its limit, or there is no column of classes.
    """
    settings = settings or DiagnosisSettings()
    classes = _classes(table, settings)
    encoder = checked_encoder(backbone)
    complexes = units_of(table.complexes, encoding_unit, encoder.max_residues)
    units = list(dict.fromkeys(unit for item in complexes for unit in item))
    collector = Collector(settings.epsilon)
    with torch.inference_mode(), progress_bar("observing attention", len(units), "units") as advance:
        for unit, sides in units:
            for view in observe_backbone(encoder, unit, sides):
                collector.see(view)
            collector.layers.end_units()
            advance(1)
    head = language_head(encoder) if settings.knock_out else _OFF
    found = (
        head
        if isinstance(head, str)
        else knock_out_backbone(cast(Esm2Backbone, encoder), head, complexes, seed=settings.seed)
    )
    return _result(encoder.spec, len(table), encoding_unit, collector, found, classes, settings)


def diagnose_model(
    table: ComplexTable, predictor: Predictor, *, settings: DiagnosisSettings | None = None
) -> AttentionDiagnosis:
    """Diagnose the mixers of a trained model.

    Parameters
    ----------
    table
        Complexes.
    predictor
        With the model.
    settings
        See `DiagnosisSettings`.

    Raises
    ------
    InputError
        If the model has no attention mixer, its attention never forms weights, a complex is over the limit
        of the backbone, or there is no column of classes.
    """
    settings = settings or DiagnosisSettings()
    classes = _classes(table, settings)
    model, cache = predictor.model, predictor.cache
    attention_blocks(model)
    collector = Collector(settings.epsilon)
    with torch.inference_mode(), progress_bar("observing attention", len(table), "complexes") as advance:
        for item in table.complexes:
            observe_mixers(model, item, cache, collector.see)
            collector.layers.end_units()
            advance(1)
    found = knock_out_mixers(model, table.complexes, cache) if settings.knock_out else _OFF
    name = predictor.trained.name
    return _result(name, len(table), model.encoding_unit, collector, found, classes, settings)


def _classes(table: ComplexTable, settings: DiagnosisSettings) -> list[str] | None:
    return None if settings.by is None else classes_of(table, settings.by)


def _result(
    source: str,
    complexes: int,
    encoding_unit: str,
    collector: Collector,
    found: Knockout | str,
    classes: Sequence[str] | None,
    settings: DiagnosisSettings,
) -> AttentionDiagnosis:
    attention_heads, layers = collector.head_table(), pd.DataFrame(collector.layers.rows())[[*LAYER_COLUMNS]]
    importance, baseline, shared = found, None, None
    if isinstance(found, Knockout):
        attention_heads = attention_heads.merge(
            _importance(found), on=[*PLACE, "head"], how="left", validate="1:1"
        )
        importance, baseline = found.measure, found.baseline
        if classes is not None and settings.by is not None:
            shared = overlap(found.effects, classes, settings.by, seed=settings.seed)
    return AttentionDiagnosis(
        source=source,
        complexes=complexes,
        units=int(layers["units"].max()),
        encoding_unit=encoding_unit,
        epsilon=settings.epsilon,
        heads=attention_heads,
        layers=layers,
        references=collector.references(),
        importance=str(importance),
        baseline=baseline,
        overlap=shared,
    )


def _importance(found: Knockout) -> pd.DataFrame:
    table = pd.DataFrame([{**place._asdict(), "head": head} for place, head in found.attention_heads])
    table["importance"] = found.importance
    if found.rmse_changes is not None and np.isfinite(found.rmse_changes).all():
        table["rmse_change"] = found.rmse_changes
    return table
