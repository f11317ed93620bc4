"""Complexes that are to be embedded, and how: what the embedding and its estimate have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, get_args

from heads.names import EncodingUnit
from ppi.backbones.base import Backbone
from ppi.backbones.registry import build_backbone
from ppi.complexes import Complex
from ppi.datasets import open_dataset
from ppi.devices import Precision, choose_devices
from ppi.embedding.elsewhere import Workers, open_workers
from ppi.embedding.units import EncodedComplex, encode_complexes, warn_truncated
from ppi.engines.build import EngineName, build_engine
from ppi.errors import InputError
from ppi.io.tables import ComplexTable


class EncodedData(NamedTuple):
    """Complexes, their units and which were shortened, and the backbone that embeds them."""

    complexes: Sequence[Complex]
    encoded: Sequence[EncodedComplex]
    truncated: Sequence[bool]
    backbone: Backbone


@dataclass(frozen=True, kw_only=True)
class EmbeddingJob:
    """Complexes to embed, and the settings; nothing is read before a method is called.

    Attributes
    ----------
    data, backbone, unit, layers, precision, store, device, token_budget, truncate, engine, workers
        See `ppi.embedding.embed.embed`.
    """

    data: str | os.PathLike[str] | ComplexTable
    backbone: str
    unit: EncodingUnit = "chain"
    layers: Sequence[int] = (-1,)
    precision: Precision = "auto"
    store: str | os.PathLike[str] | None = None
    device: str = "auto"
    token_budget: int | None = None
    truncate: bool = False
    engine: EngineName = "local"
    workers: int | None = None

    def devices(self) -> list[str]:
        """Return the devices of this machine that are used; none with a remote engine.

        Raises
        ------
        ppi.errors.SettingsError
            If a device is not there, or the engine is not installed.
        """
        return [] if build_engine(self.engine).remote else choose_devices(self.device)

    def open_workers(self) -> AbstractContextManager[Workers | None]:
        """Open the workers of the engine; see `ppi.embedding.elsewhere.open_workers`."""
        return open_workers(self.engine, self.device, self.workers)

    def encoded(self) -> EncodedData:
        """Read the complexes, load the backbone and divide the complexes into units.

        Raises
        ------
        ppi.errors.PpiError
            If the data, an option or the backbone is wrong.
        """
        for value, choices in ((self.unit, EncodingUnit), (self.precision, Precision)):
            if value not in get_args(choices):
                raise InputError(f"{value!r} is none of {', '.join(get_args(choices))}")
        complexes = open_dataset(self.data).complexes
        model = build_backbone(self.backbone, layers=self.layers, precision=self.precision)
        encoded, truncated = encode_complexes(
            complexes, self.unit, model.max_residues, truncate=self.truncate
        )
        warn_truncated(complexes, truncated)
        return EncodedData(complexes, encoded, truncated, model)
