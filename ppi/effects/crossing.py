"""Contexts of structures for training and scoring, with locations of networks that have not seen them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from ppi.effects.benchmark import BENCHMARK_SOURCE, MeasuredEffects
from ppi.effects.encoding import ResidueEncoder, encode_chains, sample_rows
from ppi.effects.features import Context
from ppi.effects.folds import apart
from ppi.effects.interfaces import Interface
from ppi.effects.likelihood import LanguageHead
from ppi.effects.location import LocationNetwork, predict_location
from ppi.effects.location_training import LocationTraining, train_location
from ppi.effects.projection import Projection
from ppi.embedding.cache import EmbeddingCache

_LOG = logging.getLogger(__name__)
#: Residues from which the projection of embeddings is learnt.
_PROJECTION_ROWS = 30_000
#: Numbers to which an embedding is reduced.
COMPONENTS = 192


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
    *,
    seed: int,
) -> Embedded:
    """Embed all chains, and reduce the embeddings to their leading components."""
    chains = {chain for item in interfaces for chain in item.chains}
    chains |= {chain for item in effects.complexes.values() for chain in item.chains}
    sample = sample_rows(cache, chains, rows=_PROJECTION_ROWS, seed=seed)
    encoder = ResidueEncoder(Projection.fit(sample, COMPONENTS), head)
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
    """Return the contexts of all structures, each with locations of a network that has not seen it.

    Parameters
    ----------
    effects
        Measured effects, whose structures get the contexts.
    interfaces
        What the networks learn from: those of other entries than the fold's.
    embedded
        Embeddings of all chains.
    training
        Settings of the training of the networks.
    folds
        By structure.
    seed
        Seed of every network.
    chains_near
        Where it is given, interfaces with one of the chains that it returns are left out, too.
    """
    found: dict[str, Context] = {}
    for fold in sorted(set(folds.values())):
        names = [name for name in effects.complexes if folds[name] == fold]
        others = apart(interfaces, names, chains_near(names) if chains_near else None)
        _LOG.info("fold %d: locations of %d structures from %d interfaces", fold, len(names), len(others))
        network = train_location(others, embedded.chains, training, seed=seed)
        found |= contexts_of([network], names, effects, embedded)
    return found


def located_contexts(contexts: Mapping[str, Context], interfaces: Sequence[Interface]) -> dict[str, Context]:
    """Return contexts with the locations of the structures, where these are among the interfaces."""
    truth = {item.id.partition(":")[2]: item for item in interfaces if item.source == BENCHMARK_SOURCE}
    return {
        name: replace(context, locations=truth[name].locations, from_structure=True, _known={})
        if name in truth
        else context
        for name, context in contexts.items()
    }
