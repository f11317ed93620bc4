"""Mutation series of the data set, with what models that have not seen them know of their mutations.

Each series is placed onto the structure of its PDB entry in the benchmark of mutation effects. Effects and
locations of its mutations are predicted by trees and networks that have seen neither the entry (scheme
`complex`) nor, in scheme `cluster`, any complex with a similar chain.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
from Bio.Align import PairwiseAligner

from ppi.backbones.registry import build_backbone
from ppi.complexes import Complex
from ppi.datasets import open_dataset
from ppi.effects.benchmark import MeasuredEffects, read_effects
from ppi.effects.crossing import crossed_contexts, embed
from ppi.effects.features import Context, rows
from ppi.effects.fit import EffectTraining, Rows, fit_forest
from ppi.effects.folds import Similarity, entry_of
from ppi.effects.interfaces import read_interfaces
from ppi.effects.likelihood import LanguageHead
from ppi.effects.model import antisymmetric
from ppi.effects.mutations import Mutation, mutations_between
from ppi.embedding.cache import EmbeddingCache
from ppi.io.predictions import KCAL_PER_PKD
from ppi.models.forest import Forest
from ppi.prediction.adapting.describer import scaled_locations
from ppi.prediction.adapting.reference import medoid

SMALLEST = 40
#: The backbone of the shipped model of mutation effects, and its layers.
_BACKBONE, _LAYERS = "ppi-mini", [2, 4, 6]
_SAME_CHAIN = 0.8


@dataclass
class Series:
    """Measured variants of one complex.

    Attributes
    ----------
    name
        PDB entry.
    wild
        The reference.
    complexes, pkd
        Variants, each once, and their mean measured pKd.
    pooled
        ``(N, E)`` mean embedding of ligand and receptor of each.
    known
        By mutation: predicted change of pKd, and the numbers of its site.
    """

    name: str
    wild: Complex
    complexes: list[Complex]
    pkd: np.ndarray
    pooled: np.ndarray
    known: Mapping[Mutation, tuple[float, np.ndarray]]
    crowding: float = EffectTraining().crowding

    def effects(self, mutations: Sequence[Mutation]) -> np.ndarray:
        """Return ``(M,)`` predicted changes of pKd."""
        return np.array([self.known[item][0] for item in mutations])

    def sites(self, mutations: Sequence[Mutation]) -> np.ndarray:
        """Return ``(M, 10)`` predicted locations."""
        return np.array([self.known[item][1] for item in mutations])


def load_series(
    interfaces: Path, effects: Path, structures: Path, work: Path, scheme: str, *, seed: int = 0
) -> list[Series]:
    """Return the series, made anew where `work` does not have them."""
    variants_file, singles_file = work / "variants.parquet", work / f"singles_{scheme}.parquet"
    pooled_file = work / "pooled.npy"
    if not (variants_file.is_file() and singles_file.is_file() and pooled_file.is_file()):
        work.mkdir(parents=True, exist_ok=True)
        _make(interfaces, effects, structures, work, scheme, seed)
    variants, singles = pd.read_parquet(variants_file), pd.read_parquet(singles_file)
    pooled = np.load(pooled_file)
    return [_read(name, variants, singles, pooled) for name in variants["series"].unique()]


def _read(name: str, variants: pd.DataFrame, singles: pd.DataFrame, pooled: np.ndarray) -> Series:
    variants, singles = variants[variants["series"] == name], singles[singles["series"] == name]
    complexes = [
        Complex(str(number), tuple(ligand.split(":")), tuple(receptor.split(":")))
        for number, (ligand, receptor) in enumerate(
            zip(variants["ligand"], variants["receptor"], strict=True)
        )
    ]
    columns = ("side", "chain", "position", "wild", "mutant", "effect", "site")
    known = {
        Mutation(*mutation): (effect, np.array(site))
        for *mutation, effect, site in zip(*(singles[column] for column in columns), strict=True)
    }
    pkd = variants["pkd"].to_numpy()
    return Series(name, medoid(complexes), complexes, pkd, pooled[variants.index], known)


def _make(interfaces: Path, effects: Path, structures: Path, work: Path, scheme: str, seed: int) -> None:
    """Write all files that `load_series` reads."""
    known = read_interfaces(interfaces)
    measured = read_effects(effects, known, structures)
    training = EffectTraining()
    placed = list(_placed_series(measured))
    backbone = build_backbone(_BACKBONE, layers=_LAYERS)
    with closing(EmbeddingCache(backbone, "cpu", on_disk=False)) as cache:
        embedded = embed(cache, LanguageHead.read(_BACKBONE), known, measured, seed=seed)
        frame = pd.concat([variants for _, variants in placed], ignore_index=True)
        np.save(work / "pooled.npy", _pooled(cache, frame))
    frame.to_parquet(work / "variants.parquet")
    folds, near = dict(zip(measured.structures, measured.table["fold_by_complex"], strict=True)), None
    if scheme == "cluster":
        similar = Similarity(measured.complexes, known)
        folds, near = similar.folds(Counter(measured.structures)), similar.chains_near
    contexts = crossed_contexts(
        measured, known, embedded, training.location, folds, seed=seed, chains_near=near
    )
    table = Rows.of(measured, contexts)
    fold = np.array([folds[name] for name in measured.structures])
    parts = []
    for number in sorted({folds[structure] for structure, _ in placed}):
        forest = fit_forest(table, measured, fold != number, training, seed=seed)
        for structure, variants in placed:
            if folds[structure] == number:
                parts.append(_singles(variants, contexts[structure], forest))
    pd.concat(parts).to_parquet(work / f"singles_{scheme}.parquet")


def _singles(variants: pd.DataFrame, context: Context, forest: Forest) -> pd.DataFrame:
    """Return what is known of each mutation between the variants of a series."""
    complexes = [
        Complex("variant", tuple(ligand.split(":")), tuple(receptor.split(":")))
        for ligand, receptor in zip(variants["ligand"], variants["receptor"], strict=True)
    ]
    wild = medoid(complexes)
    mutations = sorted({m for item in complexes for m in mutations_between(wild, item, skip_unknown=True)})
    effect = -antisymmetric(forest, *rows(context, mutations)) / KCAL_PER_PKD
    return pd.DataFrame(mutations).assign(
        series=variants["series"].iloc[0], effect=effect, site=list(scaled_locations(context, mutations))
    )


def _pooled(cache: EmbeddingCache, variants: pd.DataFrame) -> np.ndarray:
    sides = [variants[side].str.split(":").tolist() for side in ("ligand", "receptor")]
    chains = sorted({chain for side in sides for chains in side for chain in chains})
    mean: dict[str, np.ndarray] = {}
    for start in range(0, len(chains), 200):
        part = chains[start : start + 200]
        embedded = cache.units((chain,) for chain in part)
        mean |= {chain: embedded.rows([(chain,)]).float().mean(dim=0).numpy() for chain in part}
    return np.concatenate(
        [np.array([np.mean([mean[chain] for chain in chains], axis=0) for chains in side]) for side in sides],
        axis=1,
    )


def _placed_series(measured: MeasuredEffects) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield structure and variants of each series, in the chains of the structure, the largest first."""
    for entry, items in sorted(_series(), key=lambda pair: -len(pair[1])):
        structures = [name for name in measured.complexes if entry_of(name) == entry]
        found = [(name, _onto(items, measured.complexes[name])) for name in structures]
        name, placed = max(found, key=lambda pair: len(pair[1]), default=("", []))
        if len(placed) < SMALLEST:
            logging.info("%s: %d variants are left out: no structure has their chains", entry, len(items))
            continue
        frame = pd.DataFrame(
            {
                "ligand": [":".join(item.ligand) for item in placed],
                "receptor": [":".join(item.receptor) for item in placed],
                "pkd": [item.pkd for item in placed],
            }
        )
        mean = frame.groupby(["ligand", "receptor"], sort=False, as_index=False)["pkd"].mean()
        yield name, mean.assign(series=entry)


def _series() -> Iterator[tuple[str, list[Complex]]]:
    """Yield PDB entry and complexes, with an exact pKd and chains of the same lengths, of each series."""
    table = open_dataset("ppb-affinity")
    groups = defaultdict[tuple[object, ...], list[Complex]](list)
    marks = table.columns["censored"].fillna("")
    for item, entry, mark in zip(table.complexes, table.columns["pdb"], marks, strict=True):
        if item.pkd is not None and not mark:
            lengths = tuple(tuple(map(len, side)) for side in (item.ligand, item.receptor))
            groups[entry.upper(), lengths].append(item)
    yield from ((str(key[0]), items) for key, items in groups.items() if len(items) >= SMALLEST)


def _onto(items: Sequence[Complex], structure: Complex) -> list[Complex]:
    """Return complexes with the chains of a structure, which may lack residues that none of them changes."""
    placed = [_onto_sides(items, structure, exchanged) for exchanged in (False, True)]
    return max(placed, key=len)


def _onto_sides(items: Sequence[Complex], structure: Complex, exchanged: bool) -> list[Complex]:
    sides = [(item.receptor, item.ligand) if exchanged else (item.ligand, item.receptor) for item in items]
    targets = (structure.ligand, structure.receptor)
    found = [_side_map(own, target) for own, target in zip(sides[0], targets, strict=True)]
    maps = [each for each in found if each is not None]
    if len(maps) < len(found):
        return []
    placed = []
    for item, own in zip(items, sides, strict=True):
        ligand, receptor = (
            _transferred(side, first, target, chain_maps)
            for side, first, target, chain_maps in zip(own, sides[0], targets, maps, strict=True)
        )
        if ligand is not None and receptor is not None:
            placed.append(Complex(item.id, ligand, receptor, item.pkd))
    return placed


def _side_map(own: Sequence[str], target: Sequence[str]) -> list[tuple[int, dict[int, int]]] | None:
    """Return, for each chain, that of the structure and where its residues are in it."""
    if len(own) != len(target):
        return None
    pairs = [[_chain_map(one, other) for other in target] for one in own]
    best = max(
        permutations(range(len(target))),
        key=lambda order: sum(pairs[one][other][1] for one, other in enumerate(order)),
    )
    if min(pairs[one][other][1] for one, other in enumerate(best)) < _SAME_CHAIN:
        return None
    return [(other, pairs[one][other][0]) for one, other in enumerate(best)]


def _chain_map(one: str, other: str) -> tuple[dict[int, int], float]:
    """Return where residues of one chain are in another one, and the part of the shorter that is the same."""
    aligner = PairwiseAligner(mode="global", match_score=1.0, mismatch_score=-0.5)
    aligner.open_internal_gap_score, aligner.extend_internal_gap_score = -3.0, -0.1
    aligner.end_gap_score = 0.0
    alignment = aligner.align(one, other)[0]
    places = {
        start + step: other_start + step
        for (start, end), (other_start, _) in zip(*alignment.aligned, strict=True)
        for step in range(end - start)
    }
    same = sum(one[mine] == other[theirs] for mine, theirs in places.items())
    return places, same / min(len(one), len(other))


def _transferred(
    own: Sequence[str],
    first: Sequence[str],
    target: Sequence[str],
    maps: Sequence[tuple[int, Mapping[int, int]]],
) -> tuple[str, ...] | None:
    """Return a side of a structure with the residues of a variant; None if one that changes is not there."""
    new = [list(chain) for chain in target]
    for chain, reference, (number, places) in zip(own, first, maps, strict=True):
        for place, residue in enumerate(chain):
            if place in places:
                new[number][places[place]] = residue
            elif residue != reference[place]:
                return None
    return tuple("".join(chain) for chain in new)
