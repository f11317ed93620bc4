"""Training of the model of mutation effects."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from torch import Tensor

from ppi.effects.benchmark import MeasuredEffects
from ppi.effects.encoding import ResidueEncoder, encode_chains, sample_rows
from ppi.effects.features import Context, rows
from ppi.effects.folds import apart
from ppi.effects.interfaces import Interface
from ppi.effects.likelihood import LanguageHead
from ppi.effects.location import LocationNetwork, predict_location
from ppi.effects.location_training import LocationTraining, train_location
from ppi.effects.model import EffectConfig, EffectModel, antisymmetric, combine
from ppi.effects.projection import Projection
from ppi.embedding.cache import EmbeddingCache
from ppi.models.forest import Forest

_LOG = logging.getLogger(__name__)
#: Residues from which the projection of embeddings is learnt.
_PROJECTION_ROWS = 30_000
_CROWDING_GRID = tuple(step / 10 for step in range(8))


@dataclass(frozen=True)
class EffectTraining:
    """How the model is trained.

    Attributes
    ----------
    components
        Numbers to which an embedding is reduced.
    trees, leaf, features
        Extremely randomised trees (Geurts et al. 2006): how many, fewest rows of a leaf (mutations and
        reverses), and the part of the features that a split looks at.
    most_mutations
        Variants with more mutations are not learnt from.
    structure_power
        A row of a structure with ``n`` variants has the weight ``n`` to minus this power.
    lowest, highest
        Effects per mutation are cut to this range, in kcal/mol.
    location
        Of the location networks.
    """

    components: int = 192
    trees: int = 150
    leaf: int = 4
    features: float = 0.3
    most_mutations: int = 4
    crowding: float = 0.5
    structure_power: float = 0.5
    lowest: float = -4.0
    highest: float = 6.0
    location: LocationTraining = field(default_factory=LocationTraining)


@dataclass(frozen=True)
class Embedded:
    """Encoded residues of all chains that training needs.

    Attributes
    ----------
    encoder
        Its projection is learnt from some of them; it has seen no label.
    chains
        ``(length, D + 20)`` of each chain; see `ppi.effects.encoding`.
    """

    encoder: ResidueEncoder
    chains: Mapping[str, Tensor]


def embed(
    cache: EmbeddingCache,
    head: LanguageHead,
    interfaces: Sequence[Interface],
    effects: MeasuredEffects,
    training: EffectTraining,
    *,
    seed: int,
) -> Embedded:
    """Embed all chains, and reduce the embeddings to their leading components."""
    chains = {chain for item in interfaces for chain in item.chains}
    chains |= {chain for item in effects.complexes.values() for chain in item.chains}
    sample = sample_rows(cache, chains, rows=_PROJECTION_ROWS, seed=seed)
    encoder = ResidueEncoder(Projection.fit(sample, training.components), head)
    return Embedded(encoder, encode_chains(cache, chains, encoder))


def contexts_of(
    networks: Sequence[LocationNetwork], names: Sequence[str], effects: MeasuredEffects, embedded: Embedded
) -> dict[str, Context]:
    """Return the contexts of structures by name, with locations that these networks predict."""
    found = {}
    for name in names:
        sides = effects.complexes[name].ligand, effects.complexes[name].receptor
        embeddings = [[embedded.chains[chain].float() for chain in side] for side in sides]
        found[name] = Context(sides, embeddings, predict_location(networks, sides, embeddings))
    return found


def crossed_contexts(
    effects: MeasuredEffects,
    interfaces: Sequence[Interface],
    embedded: Embedded,
    training: LocationTraining,
    folds: Mapping[str, int],
    *,
    seed: int,
    chains_near: Callable[[Sequence[str]], set[str]] | None = None,
) -> dict[str, Context]:
    """Return the contexts of all structures, each with locations of networks that have not seen it.

    Parameters
    ----------
    effects
        Whose structures.
    interfaces
        What the networks learn from: those of other entries than the fold's.
    embedded
        Of all chains.
    training
        Of the networks.
    folds
        By structure.
    seed
        Of the first network; the next ones have the next seeds.
    chains_near
        Where it is given, interfaces with one of the chains that it returns are left out, too.
    """
    found: dict[str, Context] = {}
    for fold in sorted(set(folds.values())):
        names = [name for name in effects.complexes if folds[name] == fold]
        others = apart(interfaces, names, chains_near(names) if chains_near else None)
        _LOG.info("fold %d: locations of %d structures from %d interfaces", fold, len(names), len(others))
        networks = location_networks(others, embedded, training, seed=seed)
        found |= contexts_of(networks, names, effects, embedded)
    return found


def location_networks(
    interfaces: Sequence[Interface], embedded: Embedded, training: LocationTraining, *, seed: int
) -> list[LocationNetwork]:
    """Train the members of an ensemble."""
    return [
        train_location(interfaces, embedded.chains, training, seed=seed + member)
        for member in range(training.members)
    ]


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
        Of all variants.
    effects
        What was measured.
    train
        ``(N,)`` bool: variants to learn from.
    training
        How.
    seed
        Of the trees.
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


def fit_effects(
    cache: EmbeddingCache,
    head: LanguageHead,
    interfaces: Sequence[Interface],
    effects: MeasuredEffects,
    folds: Mapping[str, int],
    training: EffectTraining,
    *,
    seed: int,
) -> EffectModel:
    """Train the model: locations from interfaces, effects from measured variants.

    The trees learn from locations that networks predict for structures of a fold that they have not seen, as
    it is with a new complex; the networks that stay have seen all interfaces.

    Parameters
    ----------
    cache
        Embeddings of the backbone; the model keeps it.
    head
        Of the backbone.
    interfaces, effects
        What is learnt from.
    folds
        Fold of each structure of `effects`.
    training
        How.
    seed
        Of everything that is drawn.
    """
    embedded = embed(cache, head, interfaces, effects, training, seed=seed)
    crossed = crossed_contexts(effects, interfaces, embedded, training.location, folds, seed=seed)
    table = Rows.of(effects, crossed)
    forest = fit_forest(table, effects, np.ones(len(effects.ddg), bool), training, seed=seed)
    networks = location_networks(interfaces, embedded, training.location, seed=seed)
    config = EffectConfig(
        backbone=cache.backbone.spec,
        layers=cache.backbone.layers,
        location=networks[0].settings,
        networks=len(networks),
        crowding=training.crowding,
    )
    return EffectModel(config, embedded.encoder, networks, forest, cache)
