"""Preparation before the cells start: each model is built once, and the store is filled."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ppi.backbones.base import Unit
from ppi.backbones.registry import build_backbone
from ppi.complexes import Complex
from ppi.embedding.elsewhere import Workers
from ppi.embedding.run import fill_store
from ppi.embedding.store import EmbeddingStore
from ppi.embedding.units import encode_complexes
from ppi.errors import PpiError
from ppi.models.affinity import AffinityModel
from ppi.models.config import ModelConfig
from ppi.study.cells import Configuration


def prepare_models(
    configurations: Sequence[Configuration],
    complexes: Sequence[Complex],
    *,
    devices: Sequence[str],
    store: str | os.PathLike[str] | None,
    workers: Workers | None = None,
) -> None:
    """Build each model, and embed what the frozen ones need, so that no cell does it again.

    Parameters
    ----------
    configurations
        Configurations with cells to run.
    complexes
        All complexes for training and prediction.
    devices
        Devices that embed.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    workers
        Workers of a remote engine, which embed instead of the devices.

    Raises
    ------
    ppi.errors.PpiError
        If a model cannot be built, or a complex is over the limit of a backbone; the message names the
        configuration.
    """
    frozen: dict[tuple[object, ...], list[Configuration]] = defaultdict(list)
    for item in configurations:
        config = item.settings.model
        if config.tuning.frozen:
            frozen[config.backbone, config.layers, config.precision].append(item)
        else:
            with _named(item):
                AffinityModel(_with_named_heads(config))
    for items in frozen.values():
        _fill(items, complexes, devices, store, workers)


def _with_named_heads(config: ModelConfig) -> ModelConfig:
    """Return a configuration that can be built: training replaces a share of heads by their names."""
    tuning = config.tuning
    return config if tuning.share is None else config.model_copy(update={"tuning": tuning.with_heads(["0"])})


def _fill(
    items: Sequence[Configuration],
    complexes: Sequence[Complex],
    devices: Sequence[str],
    store: str | os.PathLike[str] | None,
    workers: Workers | None,
) -> None:
    first = items[0].settings.model
    with _named(items[0]):
        backbone = build_backbone(first.backbone, layers=first.layers, precision=first.precision)
    units: dict[Unit, None] = {}
    for item in items:
        with _named(item):
            head = item.settings.model.build_head(backbone.dim)
            encoded, _ = encode_complexes(
                complexes,
                head.encoding_unit,
                backbone.max_residues,
                truncate=item.settings.truncate,
                both_orders=head.both_orders,
            )
        units |= dict.fromkeys(unit for one in encoded for unit in one.units)
    if backbone.costly:
        with EmbeddingStore(store, backbone) as kept:
            fill_store(kept, backbone, list(units), devices=devices, workers=workers)


@contextmanager
def _named(item: Configuration) -> Iterator[None]:
    """Add the name of the configuration to an error."""
    try:
        yield
    except PpiError as error:
        raise type(error)(f"configuration {item.name}: {error}") from error
