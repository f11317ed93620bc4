"""Training of the model of mutation effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ppi.effects.benchmark import MeasuredEffects
from ppi.effects.crossing import Embedded, crossed_contexts, embed, located_contexts
from ppi.effects.features import Context, rows
from ppi.effects.folder import EffectConfig, EffectParts
from ppi.effects.folds import FOLDS, Similarity, folds_by_entry
from ppi.effects.interfaces import Interface
from ppi.effects.interval import EffectInterval, fit_interval
from ppi.effects.likelihood import LanguageHead
from ppi.effects.location_training import LocationTraining, train_location
from ppi.effects.model import EffectModel, antisymmetric, combine
from ppi.embedding.cache import EmbeddingCache
from ppi.models.forest import Forest


@dataclass(frozen=True)
class EffectTraining:
    """How the model is trained.

    Attributes
    ----------
    trees, leaf, features
        Extremely randomised trees (Geurts et al. 2006): how many, fewest rows of a leaf (mutations and
        reverses), and the part of the features that a split looks at.
    most_mutations
        Variants with more mutations are not learnt from.
    crowding
        See `ppi.effects.folder.EffectConfig`.
    structure_power
        A row of a structure with ``n`` variants has the weight ``n`` to minus this power.
    lowest, highest
        Effects per mutation are cut to this range, in kcal/mol.
    crossing_folds
        Folds of PDB entries, each of which gets its locations from a network that has not seen it.
    networks
        Location networks that stay, which differ by seed.
    location
        Settings of the location networks.
    """

    trees: int = 90
    leaf: int = 4
    features: float = 0.3
    most_mutations: int = 4
    crowding: float = 0.5
    structure_power: float = 0.5
    lowest: float = -4.0
    highest: float = 6.0
    crossing_folds: int = 3
    networks: int = 2
    location: LocationTraining = field(default_factory=LocationTraining)


@dataclass(frozen=True)
class Rows:
    """Single mutations of all variants, as rows of features.

    Attributes
    ----------
    forward, backward
        ``(R, F)`` features of each mutation and of its reverse.
    variant
        ``(R,)`` number of the variant that a row belongs to.
    """

    forward: np.ndarray
    backward: np.ndarray
    variant: np.ndarray

    @classmethod
    def of(cls, effects: MeasuredEffects, contexts: Mapping[str, Context]) -> Rows:
        """Describe every mutation of every variant."""
        pairs = [
            rows(contexts[name], variant)
            for name, variant in zip(effects.structures, effects.mutations, strict=True)
        ]
        forward, backward = (np.concatenate(part).astype(np.float32) for part in zip(*pairs, strict=True))
        return cls(forward, backward, np.repeat(np.arange(len(pairs)), [len(pair[0]) for pair in pairs]))


def fit_forest(
    table: Rows, effects: MeasuredEffects, train: np.ndarray, training: EffectTraining, *, seed: int
) -> Forest:
    """Fit trees to mutations and, with the opposite sign, to their reverses.

    Parameters
    ----------
    table
        Rows of all variants.
    effects
        What was measured.
    train
        ``(N,)`` bool: variants to learn from.
    training
        How.
    seed
        Seed of the trees.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    count = np.array([len(variant) for variant in effects.mutations])
    learnt = train & (count <= training.most_mutations)
    structure = pd.Series(effects.structures)
    size = structure.map(structure[learnt].value_counts()).to_numpy(dtype=float, na_value=np.nan)
    share = np.clip(effects.ddg / count, training.lowest, training.highest)
    weight = size**-training.structure_power / count
    chosen = learnt[table.variant]
    of = table.variant[chosen]
    trees = ExtraTreesRegressor(
        training.trees,
        min_samples_leaf=training.leaf,
        max_features=training.features,
        random_state=seed,
        n_jobs=1,
    )
    trees.fit(
        np.concatenate([table.forward[chosen], table.backward[chosen]]),
        np.concatenate([share[of], -share[of]]),
        sample_weight=np.tile(weight[of], 2),
    )
    return Forest.from_trees(trees.estimators_)


def predict_variants(forest: Forest, table: Rows, variants: np.ndarray, crowding: float) -> np.ndarray:
    """Return the ``(V,)`` effects of variants, given by number."""
    chosen = np.isin(table.variant, variants)
    single = antisymmetric(forest, table.forward[chosen], table.backward[chosen])
    of = table.variant[chosen]
    return np.array([combine(single[of == number], crowding) for number in variants])


def predict_folds(
    table: Rows, effects: MeasuredEffects, folds: Mapping[str, int], training: EffectTraining, *, seed: int
) -> np.ndarray:
    """Return the ``(N,)`` effects of all variants, each fold of structures by trees that have not seen it."""
    fold = np.array([folds[name] for name in effects.structures])
    found = np.empty(len(fold))
    for number in np.unique(fold):
        forest = fit_forest(table, effects, fold != number, training, seed=seed)
        variants = np.flatnonzero(fold == number)
        found[variants] = predict_variants(forest, table, variants, training.crowding)
    return found


def calibrate(
    table: Rows,
    located: Rows,
    effects: MeasuredEffects,
    interfaces: Sequence[Interface],
    embedded: Embedded,
    similar: Similarity,
    training: EffectTraining,
    *,
    seed: int,
) -> tuple[EffectInterval, EffectInterval]:
    """Calibrate the intervals on effects that were predicted out of folds: by entry, and by similar chains.

    Parameters
    ----------
    table
        Rows of all variants, with locations by networks that have not seen their entries.
    located
        The same with locations from the structures.
    effects, interfaces, training, seed
        See `fit_effects`.
    embedded
        Embeddings of all chains.
    similar
        Which chains resemble each other.

    Returns
    -------
    tuple of EffectInterval
        For predicted locations, and for those of a structure.
    """
    by_entry = folds_by_entry(list(effects.complexes), FOLDS)
    folds = similar.folds(Counter(effects.structures))
    contexts = crossed_contexts(
        effects,
        interfaces,
        embedded,
        training.location,
        folds,
        seed=seed,
        chains_near=similar.chains_near,
    )
    count = np.array([len(variant) for variant in effects.mutations])
    predicted, measured = (
        fit_interval(
            effects.structures,
            count,
            effects.ddg,
            predict_folds(known, effects, by_entry, training, seed=seed),
            predict_folds(new, effects, folds, training, seed=seed),
        )
        for known, new in ((table, Rows.of(effects, contexts)), (located, located))
    )
    return predicted, measured


def fit_effects(
    cache: EmbeddingCache,
    head: LanguageHead,
    interfaces: Sequence[Interface],
    effects: MeasuredEffects,
    training: EffectTraining,
    *,
    seed: int,
    similar: Similarity | None = None,
) -> EffectModel:
    """Train the model: locations from interfaces, effects from measured variants.

    The trees learn from locations that networks predict for structures of a fold that they have not seen, as
    it is with a new complex; the networks that stay have seen all interfaces. Other trees, for complexes
    whose structure is known, learn from the locations in the structures.

    Parameters
    ----------
    cache
        Embeddings of the backbone; the model keeps it.
    head
        Output layer of the backbone.
    interfaces, effects
        What is learnt from.
    training
        How.
    seed
        Seed of everything that is drawn.
    similar
        Which chains resemble each other; the model has intervals only where it is given.
    """
    embedded = embed(cache, head, interfaces, effects, seed=seed)
    folds = folds_by_entry(list(effects.complexes), training.crossing_folds)
    crossed = crossed_contexts(effects, interfaces, embedded, training.location, folds, seed=seed)
    table, located = Rows.of(effects, crossed), Rows.of(effects, located_contexts(crossed, interfaces))
    everything = np.ones(len(effects.ddg), bool)
    forest, structure_forest = (
        fit_forest(each, effects, everything, training, seed=seed) for each in (table, located)
    )
    networks = tuple(
        train_location(interfaces, embedded.chains, training.location, seed=seed + number)
        for number in range(training.networks)
    )
    config = EffectConfig(
        backbone=cache.backbone.spec,
        layers=cache.backbone.layers,
        location=networks[0].settings,
        networks=len(networks),
        crowding=training.crowding,
    )
    complexes = tuple(effects.complexes.values())
    interval, structure_interval = (
        calibrate(table, located, effects, interfaces, embedded, similar, training, seed=seed)
        if similar
        else (None, None)
    )
    parts = EffectParts(
        config,
        embedded.encoder,
        networks,
        forest,
        interval,
        complexes,
        structure_forest,
        structure_interval,
    )
    return EffectModel(parts, cache)
