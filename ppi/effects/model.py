"""The model of mutation effects: a folder of arrays, loaded once, asked for any mutation of any complex."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from data_curation.files import atomic_folder, sha256_of
from ppi.backbones.base import Backbone
from ppi.backbones.checkpoints import shipped_folder
from ppi.backbones.registry import build_backbone
from ppi.complexes import Complex
from ppi.devices import choose_device
from ppi.effects.encoding import ResidueEncoder, encode_chains
from ppi.effects.features import FEATURE_NAMES, Context, rows
from ppi.effects.likelihood import LanguageHead
from ppi.effects.location import (
    LocationNetwork,
    LocationSettings,
    predict_location,
)
from ppi.effects.mutations import Mutation, check_mutations
from ppi.effects.projection import Projection
from ppi.embedding.cache import EmbeddingCache
from ppi.errors import InputError, ModelError
from ppi.models.files import CONFIG_FILE, MANIFEST_FILE, WEIGHTS_FILE, WEIGHTS_HASH
from ppi.models.forest import Forest

DEFAULT_EFFECTS = "effects"
CARD_FILE = "README.md"
_PROJECTION, _HEAD, _FOREST, _NETWORK = "projection.", "head.", "forest.", "location.{}."


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


class EffectModel:
    """Predicts ddG of mutations from the sequences of a complex; positive means weaker binding.

    The effect of an exchange is half the difference between what the trees say of it and of its reverse in
    the same context: the effect of taking a mutation back is exactly the opposite, and no mutation has the
    effect 0.

    Parameters
    ----------
    config
        What it is.
    encoder
        Of the backbone's embeddings.
    networks
        Predict where residues lie; in evaluation mode.
    forest
        Trees over `ppi.effects.features.FEATURE_NAMES`.
    cache
        Embeddings of the backbone.
    name
        Of the model.
    manifest
        How it was made.
    """

    def __init__(
        self,
        config: EffectConfig,
        encoder: ResidueEncoder,
        networks: Sequence[LocationNetwork],
        forest: Forest,
        cache: EmbeddingCache,
        *,
        name: str = "effects",
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        self.config, self.encoder, self.networks, self.forest = config, encoder, networks, forest
        self.name, self.manifest, self._cache = name, dict(manifest or {}), cache

    @classmethod
    def load(
        cls,
        model: str | os.PathLike[str] = DEFAULT_EFFECTS,
        *,
        device: str = "auto",
        store: str | os.PathLike[str] | None = None,
    ) -> EffectModel:
        """Load a model folder.

        Parameters
        ----------
        model
            Folder, or ``effects``, the model in the package.
        device
            For the language model: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        store
            Folder of the stores that keep embeddings on disk; by default in the user's cache.

        Raises
        ------
        ModelError
            If the folder is missing, incomplete, damaged, or of another version or backbone.
        BackboneError
            If the backbone cannot be had.
        """
        folder = shipped_folder(DEFAULT_EFFECTS) if str(model) == DEFAULT_EFFECTS else Path(model)
        config, manifest = _read_config(folder), _read_json(folder / MANIFEST_FILE)
        path = folder / WEIGHTS_FILE
        if not path.is_file():
            raise ModelError(f"{folder}: {WEIGHTS_FILE} is missing; copy the model folder again")
        found = sha256_of(path)
        if found != manifest.get(WEIGHTS_HASH):
            raise ModelError(
                f"{path}: the weights are damaged or were replaced: their SHA-256 is {found}, but "
                f"{MANIFEST_FILE} has {manifest.get(WEIGHTS_HASH)}; copy the model folder again"
            )
        backbone = build_backbone(config.backbone, layers=config.layers)
        _check_backbone(backbone, manifest, folder)
        try:
            tensors = load_file(path)
            projection = Projection(tensors[f"{_PROJECTION}shift"], tensors[f"{_PROJECTION}matrix"])
            encoder = ResidueEncoder(projection, LanguageHead.from_tensors(_under(tensors, _HEAD)))
            networks = [_network(config, tensors, number) for number in range(config.networks)]
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise ModelError(f"{path}: not the weights that {CONFIG_FILE} describes: {error}") from error
        arrays = {name: tensor.numpy() for name, tensor in _under(tensors, _FOREST).items()}
        forest = Forest.from_arrays(arrays, len(config.features))
        chosen = choose_device(device)
        cache = EmbeddingCache(backbone.to(chosen), chosen, store=store)
        return cls(config, encoder, networks, forest, cache, name=folder.name, manifest=manifest)

    def save(self, path: str | os.PathLike[str], *, card: str) -> None:
        """Write a model folder that `load` reads; the manifest gets the hash of the weights.

        Raises
        ------
        data_curation.errors.OutputError
            If it cannot be written.
        """
        projection = self.encoder.projection
        tensors = {f"{_PROJECTION}shift": projection.shift, f"{_PROJECTION}matrix": projection.matrix}
        tensors |= {_HEAD + name: tensor for name, tensor in self.encoder.head.tensors().items()}
        for number, network in enumerate(self.networks):
            prefix = _NETWORK.format(number)
            tensors |= {prefix + name: weight for name, weight in network.state_dict().items()}
        tensors |= {_FOREST + name: torch.from_numpy(array) for name, array in self.forest.arrays().items()}
        with atomic_folder(path) as folder:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS_FILE)
            (folder / CONFIG_FILE).write_text(json.dumps(asdict(self.config), indent=1) + "\n")
            self.manifest[WEIGHTS_HASH] = sha256_of(folder / WEIGHTS_FILE)
            self.manifest["backbone_identity"] = self._cache.backbone.identity
            (folder / MANIFEST_FILE).write_text(json.dumps(self.manifest, indent=1) + "\n")
            (folder / CARD_FILE).write_text(card)

    def close(self) -> None:
        """Close the store of embeddings; the model can go on, with what it keeps in memory."""
        self._cache.close()

    def context(self, wild: Complex) -> Context:
        """Return what is known of a complex before any mutation: embeddings and predicted locations.

        Raises
        ------
        InputError
            If a chain is over the backbone's limit.
        """
        limit = self._cache.backbone.max_residues
        if max(map(len, wild.chains)) > limit:
            raise InputError(f"complex {wild.id!r} has a chain over {limit} residues, the backbone's limit")
        sides = (wild.ligand, wild.receptor)
        encoded = encode_chains(self._cache, wild.chains, self.encoder)
        embedded = [[encoded[chain] for chain in side] for side in sides]
        return Context(sides, embedded, predict_location(self.networks, sides, embedded))

    def location(self, wild: Complex) -> tuple[np.ndarray, np.ndarray]:
        """Return the ``(L, 10)`` predicted location of the residues of ligand and receptor.

        The columns are `ppi.effects.location.LOCATION_NAMES`; the first is the probability to be at this
        interface.
        """
        return self.context(wild).locations

    def ddg(
        self,
        wild: Complex,
        mutations: Sequence[Sequence[Mutation]],
        *,
        context: Complex | None = None,
    ) -> np.ndarray:
        """Predict the effects of variants of one complex.

        Parameters
        ----------
        wild
            The complex before the mutations.
        mutations
            Of each variant; none for the wild type itself, whose effect is 0. Their order does not matter.
        context
            The complex whose embeddings and locations describe the sites; by default `wild`. Give the same
            one to compare variants with each other: the way back then has exactly the opposite effect.

        Returns
        -------
        ndarray
            ``(N,)`` ddG = dG(mutant) - dG(wild type) in kcal/mol; positive means weaker binding.

        Raises
        ------
        InputError
            If a mutation does not fit, or the context has chains of other lengths.
        """
        around = wild if context is None else context
        _check_lengths(wild, around)
        for variant in mutations:
            check_mutations(wild, variant)
        singles = sorted({mutation for variant in mutations for mutation in variant})
        if not singles:
            return np.zeros(len(mutations))
        effect = dict(zip(singles, self.effects_in(self.context(around), singles), strict=True))
        return np.array([self._combined([effect[item] for item in variant]) for variant in mutations])

    def effects_in(self, context: Context, singles: Sequence[Mutation]) -> np.ndarray:
        """Return the ``(N,)`` effects of single mutations, in kcal/mol."""
        return antisymmetric(self.forest, *rows(context, singles))

    def _combined(self, effects: Sequence[float]) -> float:
        return combine(effects, self.config.crowding)


def antisymmetric(forest: Forest, forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Return half of the difference between what trees say of exchanges and of their reverses."""
    difference: np.ndarray = (forest.predict(forward) - forest.predict(backward)) / 2
    return difference


def combine(effects: Iterable[float], crowding: float) -> float:
    """Return the effect of several mutations together; see `EffectConfig.crowding`."""
    listed = list(effects)
    return fsum(listed) / max(1, len(listed)) ** crowding


def _check_lengths(wild: Complex, context: Complex) -> None:
    lengths = [[list(map(len, side)) for side in (item.ligand, item.receptor)] for item in (wild, context)]
    if lengths[0] != lengths[1]:
        raise InputError(
            f"the context {context.id!r} has chains of {lengths[1]} residues, complex {wild.id!r} of "
            f"{lengths[0]}; give a complex that differs by point mutations only"
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: a JSON object was expected")
    return content


def _read_config(folder: Path) -> EffectConfig:
    content = _read_json(folder / CONFIG_FILE)
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


def _check_backbone(backbone: Backbone, manifest: dict[str, Any], folder: Path) -> None:
    if backbone.identity != manifest.get("backbone_identity"):
        raise ModelError(
            f"{folder}: trained on the embeddings of {manifest.get('backbone_identity')!r}, but the backbone "
            f"here is {backbone.identity!r}"
        )


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _network(config: EffectConfig, tensors: Mapping[str, torch.Tensor], number: int) -> LocationNetwork:
    network = LocationNetwork(config.location)
    network.load_state_dict(_under(tensors, _NETWORK.format(number)))
    return network.eval()
