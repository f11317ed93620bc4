"""The folder of a model of mutation effects: arrays, a configuration and a manifest; no pickles."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from data_curation.files import atomic_folder, sha256_of
from ppi.complexes import Complex
from ppi.effects.encoding import ResidueEncoder
from ppi.effects.features import FEATURE_NAMES
from ppi.effects.interval import EffectInterval, read_interval
from ppi.effects.likelihood import LanguageHead
from ppi.effects.location import LocationNetwork, LocationSettings
from ppi.effects.projection import Projection
from ppi.errors import ModelError
from ppi.models.files import (
    CALIBRATION_FILE,
    CARD_FILE,
    COMPLEXES_FILE,
    CONFIG_FILE,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    WEIGHTS_HASH,
    check_file_hash,
    read_json_object,
    read_training_complexes,
    write_complexes,
)
from ppi.models.forest import Forest

#: Keys of the manifest under which the SHA-256 of intervals and complexes stand; folders of older versions
#: have none.
_INTERVAL_HASH, _COMPLEXES_HASH = "calibration_sha256", "training_complexes_sha256"
_STRUCTURE_INTERVAL_HASH = "structure_calibration_sha256"
_STRUCTURE_CALIBRATION_FILE = "structure_calibration.json"
_PROJECTION, _HEAD, _FOREST, _NETWORK = "projection.", "head.", "forest.", "location.{}."
_STRUCTURE_FOREST = "structure_forest."


@dataclass(frozen=True)
class EffectConfig:
    """What a model is, beside its weights.

    Attributes
    ----------
    backbone
        Spec of the language model.
    layers
        Hidden layers of it that are read side by side.
    location
        Shape of the networks that predict locations.
    networks
        How many there are.
    crowding
        The effects of ``n`` mutations are added up and divided by ``n`` to this power: 0 where they add up.
    features
        Names of the numbers that the trees read.
    """

    backbone: str
    layers: tuple[int, ...]
    location: LocationSettings
    networks: int
    crowding: float
    features: tuple[str, ...] = FEATURE_NAMES


@dataclass(frozen=True)
class EffectParts:
    """What a model is made of.

    Attributes
    ----------
    config
        What it is, beside its weights.
    encoder
        Encoder of the embeddings of the backbone.
    networks
        Predict where residues lie; in evaluation mode.
    forest
        Trees over `ppi.effects.features.FEATURE_NAMES`.
    interval
        Interval of the predicted effects; None for a model of an older version, which has none.
    complexes
        Those whose measured effects the trees have learnt from; none for a model of an older version.
    structure_forest, structure_interval
        The same as `forest` and `interval`, for complexes whose locations are measured in a structure; None
        for a model of an older version.
    """

    config: EffectConfig
    encoder: ResidueEncoder
    networks: tuple[LocationNetwork, ...]
    forest: Forest
    interval: EffectInterval | None = None
    complexes: tuple[Complex, ...] = ()
    structure_forest: Forest | None = None
    structure_interval: EffectInterval | None = None


def write_parts(
    path: str | os.PathLike[str], parts: EffectParts, manifest: Mapping[str, Any], card: str
) -> None:
    """Write a model folder that `read_parts` reads; the manifest gets the hashes of its other files.

    Raises
    ------
    data_curation.errors.OutputError
        If it cannot be written.
    """
    projection = parts.encoder.projection
    tensors = {f"{_PROJECTION}shift": projection.shift, f"{_PROJECTION}matrix": projection.matrix}
    tensors |= {_HEAD + name: tensor for name, tensor in parts.encoder.head.tensors().items()}
    for number, network in enumerate(parts.networks):
        prefix = _NETWORK.format(number)
        tensors |= {prefix + name: weight for name, weight in network.state_dict().items()}
    forests = {_FOREST: parts.forest, _STRUCTURE_FOREST: parts.structure_forest}
    for prefix, forest in forests.items():
        arrays = {} if forest is None else forest.arrays()
        tensors |= {prefix + name: torch.from_numpy(array) for name, array in arrays.items()}
    with atomic_folder(path) as folder:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS_FILE)
        (folder / CONFIG_FILE).write_text(json.dumps(asdict(parts.config), indent=1) + "\n")
        hashed = {**manifest, WEIGHTS_HASH: sha256_of(folder / WEIGHTS_FILE)}
        intervals = (
            (parts.interval, CALIBRATION_FILE, _INTERVAL_HASH),
            (parts.structure_interval, _STRUCTURE_CALIBRATION_FILE, _STRUCTURE_INTERVAL_HASH),
        )
        for interval, name, key in intervals:
            if interval is not None:
                (folder / name).write_text(json.dumps(asdict(interval), indent=2) + "\n")
                hashed[key] = sha256_of(folder / name)
        if parts.complexes:
            write_complexes(folder, parts.complexes)
            hashed[_COMPLEXES_HASH] = sha256_of(folder / COMPLEXES_FILE)
        (folder / MANIFEST_FILE).write_text(json.dumps(hashed, indent=1) + "\n")
        (folder / CARD_FILE).write_text(card)


def read_parts(folder: Path) -> tuple[EffectParts, dict[str, Any]]:
    """Return the parts of a model, and its manifest.

    Raises
    ------
    ModelError
        If the folder is missing, incomplete, damaged, or of another version.
    """
    config, manifest = _read_config(folder), read_json_object(folder / MANIFEST_FILE)
    path = folder / WEIGHTS_FILE
    check_file_hash(path, manifest.get(WEIGHTS_HASH), "weights")
    try:
        tensors = load_file(path)
        projection = Projection(tensors[f"{_PROJECTION}shift"], tensors[f"{_PROJECTION}matrix"])
        encoder = ResidueEncoder(projection, LanguageHead.from_tensors(_under(tensors, _HEAD)))
        networks = tuple(_network(config, tensors, number) for number in range(config.networks))
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise ModelError(f"{path}: not the weights that {CONFIG_FILE} describes: {error}") from error
    parts = EffectParts(
        config,
        encoder,
        networks,
        _forest(tensors, _FOREST, config),
        _interval(folder, CALIBRATION_FILE, manifest.get(_INTERVAL_HASH)),
        _complexes(folder, manifest),
        _forest(tensors, _STRUCTURE_FOREST, config) if _under(tensors, _STRUCTURE_FOREST) else None,
        _interval(folder, _STRUCTURE_CALIBRATION_FILE, manifest.get(_STRUCTURE_INTERVAL_HASH)),
    )
    return parts, manifest


def _forest(tensors: Mapping[str, torch.Tensor], prefix: str, config: EffectConfig) -> Forest:
    arrays = {name: tensor.numpy() for name, tensor in _under(tensors, prefix).items()}
    return Forest.from_arrays(arrays, len(config.features))


def _interval(folder: Path, name: str, recorded: str | None) -> EffectInterval | None:
    if recorded is None:
        return None
    check_file_hash(folder / name, recorded, "intervals")
    return read_interval(folder / name)


def _complexes(folder: Path, manifest: Mapping[str, Any]) -> tuple[Complex, ...]:
    if _COMPLEXES_HASH not in manifest:
        return ()
    check_file_hash(folder / COMPLEXES_FILE, manifest[_COMPLEXES_HASH], "training complexes")
    return read_training_complexes(folder)


def _read_config(folder: Path) -> EffectConfig:
    content = read_json_object(folder / CONFIG_FILE)
    try:
        location = LocationSettings(**content.pop("location"))
        layers, features = tuple(content.pop("layers")), tuple(content.pop("features"))
        config = EffectConfig(location=location, layers=layers, features=features, **content)
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"{folder / CONFIG_FILE}: not the configuration of an effect model: {error}"
        ) from error
    if config.features != FEATURE_NAMES:
        raise ModelError(f"{folder}: made by another version of ppi, whose features differ; train it again")
    return config


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _network(config: EffectConfig, tensors: Mapping[str, torch.Tensor], number: int) -> LocationNetwork:
    network = LocationNetwork(config.location)
    network.load_state_dict(_under(tensors, _NETWORK.format(number)))
    return network.eval()
