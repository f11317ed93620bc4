"""The model of mutation effects: loaded once, asked for any mutation of any complex."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np

from ppi.backbones.checkpoints import shipped_folder
from ppi.backbones.registry import build_backbone
from ppi.complexes import Complex
from ppi.devices import choose_device
from ppi.effects.encoding import encode_chains
from ppi.effects.features import Context, rows
from ppi.effects.folder import EffectParts, read_parts, write_parts
from ppi.effects.location import predict_location
from ppi.effects.mutations import Mutation, check_mutations
from ppi.embedding.cache import EmbeddingCache
from ppi.errors import InputError, ModelError
from ppi.models.forest import Forest

#: Name of the model in the package.
DEFAULT_EFFECTS = "effects"
#: Key of the manifest under which the identity of the backbone stands.
_IDENTITY = "backbone_identity"


class EffectModel:
    """Predicts ddG of mutations from the sequences of a complex; positive means weaker binding.

    The effect of an exchange is half the difference between what the trees say of it and of its reverse in
    the same context: the effect of taking a mutation back is exactly the opposite, and no mutation has the
    effect 0.

    Parameters
    ----------
    parts
        What it is made of.
    cache
        Embeddings of the backbone.
    name
        Name of the model.
    manifest
        How it was made.
    """

    def __init__(
        self,
        parts: EffectParts,
        cache: EmbeddingCache,
        *,
        name: str = DEFAULT_EFFECTS,
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        self.parts, self.name, self.manifest = parts, name, dict(manifest or {})
        self._cache = cache

    @classmethod
    def load(
        cls,
        model: str | os.PathLike[str] = DEFAULT_EFFECTS,
        *,
        device: str = "auto",
        store: str | os.PathLike[str] | None = None,
        on_disk: bool = True,
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
        on_disk
            Whether embeddings are kept on disk at all.

        Raises
        ------
        ModelError
            If the folder is missing, incomplete, damaged, or of another version or backbone.
        BackboneError
            If the backbone cannot be loaded.
        """
        folder = shipped_folder(DEFAULT_EFFECTS) if str(model) == DEFAULT_EFFECTS else Path(model)
        parts, manifest = read_parts(folder)
        backbone = build_backbone(parts.config.backbone, layers=parts.config.layers)
        if _weights_of(backbone.identity) != _weights_of(str(manifest.get(_IDENTITY))):
            raise ModelError(
                f"{folder}: trained on the embeddings of {manifest.get(_IDENTITY)!r}, but the backbone here "
                f"is {backbone.identity!r}"
            )
        chosen = choose_device(device)
        cache = EmbeddingCache(backbone.to(chosen), chosen, store=store, on_disk=on_disk)
        return cls(parts, cache, name=folder.name, manifest=manifest)

    def save(self, path: str | os.PathLike[str], *, card: str) -> None:
        """Write a model folder that `load` reads.

        Raises
        ------
        data_curation.errors.OutputError
            If it cannot be written.
        """
        write_parts(path, self.parts, {**self.manifest, _IDENTITY: self._cache.backbone.identity}, card)

    def close(self) -> None:
        """Close the store of embeddings; the model can go on, with what it keeps in memory."""
        self._cache.close()

    def backbone_seconds(self, complexes: Iterable[Complex]) -> float:
        """Return the predicted seconds of the language model for complexes that it has not read yet."""
        return self._cache.seconds((chain,) for item in complexes for chain in item.chains)

    def context(self, wild: Complex, located: tuple[np.ndarray, np.ndarray] | None = None) -> Context:
        """Return what is known of a complex before any mutation: embeddings and locations.

        Parameters
        ----------
        wild
            The complex.
        located
            ``(L, 10)`` locations of the residues of each side that were measured in a structure, NaN where
            they were not; see `ppi.effects.structure.structure_locations`. The others are predicted, all of
            them by default.

        Raises
        ------
        InputError
            If a chain is over the backbone's limit.
        """
        limit = self._cache.backbone.max_residues
        if max(map(len, wild.chains)) > limit:
            raise InputError(f"complex {wild.id!r} has a chain over {limit} residues, the backbone's limit")
        sides = (wild.ligand, wild.receptor)
        encoded = encode_chains(self._cache, wild.chains, self.parts.encoder)
        embedded = [[encoded[chain] for chain in side] for side in sides]
        predicted = predict_location(self.parts.networks, sides, embedded)
        if located is None:
            return Context(sides, embedded, predicted)
        first, second = (
            np.where(np.isnan(known), own, known) for known, own in zip(located, predicted, strict=True)
        )
        return Context(sides, embedded, (first, second), from_structure=True)

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
            Mutations of each variant, in any order; none for the wild type itself, whose effect is 0.
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
        if not any(mutations):
            return np.zeros(len(mutations))
        return self.ddg_in(self.context(around), mutations)

    def ddg_in(self, context: Context, mutations: Sequence[Sequence[Mutation]]) -> np.ndarray:
        """Return the ``(N,)`` ddG in kcal/mol of variants that fit the complex of a context; see `ddg`."""
        singles = sorted({mutation for variant in mutations for mutation in variant})
        effect = dict(zip(singles, self.effects_in(context, singles), strict=True))
        crowding = self.parts.config.crowding
        return np.array([combine([effect[item] for item in variant], crowding) for variant in mutations])

    def effects_in(self, context: Context, singles: Sequence[Mutation]) -> np.ndarray:
        """Return the ``(N,)`` effects of single mutations, in kcal/mol."""
        forest = self.parts.structure_forest if context.from_structure else self.parts.forest
        return antisymmetric(forest or self.parts.forest, *rows(context, singles))


def antisymmetric(forest: Forest, forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Return half of the difference between what trees say of exchanges and of their reverses."""
    difference: np.ndarray = (forest.predict(forward) - forest.predict(backward)) / 2
    return difference


def combine(effects: Iterable[float], crowding: float) -> float:
    """Return the effect of several mutations together; see `ppi.effects.folder.EffectConfig`."""
    listed = list(effects)
    return fsum(listed) / max(1, len(listed)) ** crowding


def _weights_of(identity: str) -> str:
    """Return an identity without its last word, the data type, which is a matter of the hardware."""
    return identity.rpartition(" ")[0]


def _check_lengths(wild: Complex, context: Complex) -> None:
    lengths = [[list(map(len, side)) for side in (item.ligand, item.receptor)] for item in (wild, context)]
    if lengths[0] != lengths[1]:
        raise InputError(
            f"the context {context.id!r} has chains of {lengths[1]} residues, complex {wild.id!r} of "
            f"{lengths[0]}; give a complex that differs by point mutations only"
        )
