"""Score predictors of mutation effects by cross-validation, as a table in Markdown.

    python scripts/benchmark_effects.py interfaces.parquet effects.csv.gz structures.tar.xz
    python scripts/benchmark_effects.py ... --backbone random-ppi-mini-seed0

Two schemes of five folds: by complex, and by cluster of similar chains (30 % identity over 80 % of the
shorter chain, linked through any chain of a complex). What predicts the effects of a fold has seen neither
its variants, nor interfaces of its PDB entries, nor, in the second scheme, an interface with a similar chain.
The trees learn from locations that networks predict for structures that they have not seen; these networks
have seen interfaces, though no effects, of the fold that is tested.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ppi.backbones.registry import build_backbone
from ppi.complexes import AMINO_ACIDS
from ppi.effects.benchmark import MeasuredEffects, read_effects
from ppi.effects.chemistry import EXCHANGE_NAMES, exchange
from ppi.effects.crossing import Embedded, crossed_contexts, embed, located_contexts
from ppi.effects.features import FEATURE_NAMES, LOCATION_FEATURES
from ppi.effects.fit import EffectTraining, Rows, predict_folds
from ppi.effects.folds import Similarity
from ppi.effects.interfaces import Interface, read_interfaces
from ppi.effects.likelihood import LanguageHead
from ppi.effects.mutations import Mutation
from ppi.effects.scores import interface_auroc, score_effects
from ppi.embedding.cache import EmbeddingCache

#: Columns of the benchmark with predictions of others, and the sign that makes them rise with ddG.
PUBLISHED = {
    "foldx": ("FoldX (structure)", 1),
    "flex_ddg": ("Flex-ddG (structure)", 1),
    "gearbind": ("GearBind (structure)", 1),
    "bind_ddg": ("Bind-ddG (structure)", 1),
    "esm1v_2": ("ESM-1v, likelihood of the mutant", -1),
}
RIDGE = 10.0


def main() -> None:
    """Read the data, run both schemes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("interfaces", type=Path, help="table of interfaces (Parquet)")
    parser.add_argument("effects", type=Path, help="benchmark of mutation effects (CSV)")
    parser.add_argument("structures", type=Path, help="archive of the structures of the benchmark")
    parser.add_argument("--backbone", default="ppi-mini", help="language model (default: ppi-mini)")
    parser.add_argument(
        "--layers", type=int, nargs="+", default=[2, 4, 6], help="its layers (default: 2 4 6)"
    )
    parser.add_argument("--store", type=Path, help="folder that keeps embeddings")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn (default: 0)")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    interfaces = read_interfaces(given.interfaces)
    effects = read_effects(given.effects, interfaces, given.structures)
    print(
        "| predictor | folds | per structure | 95 % interval | pooled Spearman | pooled Pearson "
        "| single mutations |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for column, (name, sign) in PUBLISHED.items():
        report(name, "-", effects, sign * effects.table[column].to_numpy())
    for name, feature in (("BLOSUM62", "blosum"), ("volume change", "volume_change")):
        place = EXCHANGE_NAMES.index(feature)
        report(name, "-", effects, -summed(effects, partial(exchanged, place=place)))
    training = EffectTraining()
    backbone = build_backbone(given.backbone, layers=given.layers)
    if given.backbone.startswith("random-"):
        head = LanguageHead.random(backbone.dim // len(given.layers), given.seed)
    else:
        head = LanguageHead.read(given.backbone)
    with closing(EmbeddingCache(backbone, "cpu", store=given.store)) as cache:
        embedded = embed(cache, head, interfaces, effects, seed=given.seed)
    similar = Similarity(effects.complexes, interfaces)
    sizes = Counter(effects.structures)
    by_complex = dict(zip(effects.structures, effects.table["fold_by_complex"], strict=True))
    run_scheme("by complex", effects, interfaces, embedded, by_complex, None, training, given.seed)
    by_cluster = similar.folds(sizes)
    run_scheme("by cluster", effects, interfaces, embedded, by_cluster, similar, training, given.seed)


def exchanged(item: Mutation, place: int) -> float:
    """Return one feature of the exchange of a residue."""
    return float(exchange(item.wild, item.mutant)[place])


def run_scheme(
    scheme: str,
    effects: MeasuredEffects,
    interfaces: list[Interface],
    embedded: Embedded,
    folds: dict[str, int],
    similar: Similarity | None,
    training: EffectTraining,
    seed: int,
) -> None:
    """Predict every fold from the others: without, with predicted and with true locations."""
    fold = np.array([folds[name] for name in effects.structures])
    report("one weight a residue type (ridge)", scheme, effects, ridge(effects, fold))
    near = similar.chains_near if similar else None
    contexts = crossed_contexts(
        effects, interfaces, embedded, training.location, folds, seed=seed, chains_near=near
    )
    truth = {item.id.partition(":")[2]: item for item in interfaces if item.source == "skempi"}
    known = [name for name in contexts if name in truth]
    aurocs = [interface_auroc(truth[name].locations, contexts[name].locations) for name in known]
    logging.info(
        "%s: AUROC of the interface within a complex %.3f (%d)", scheme, np.mean(aurocs), len(aurocs)
    )
    table = Rows.of(effects, contexts)
    blind = without_location(table)
    report(
        "trees without location", scheme, effects, predict_folds(blind, effects, folds, training, seed=seed)
    )
    report(
        "**trees with predicted location**",
        scheme,
        effects,
        predict_folds(table, effects, folds, training, seed=seed),
    )
    true = located_contexts(contexts, interfaces)
    report(
        "trees with true location",
        scheme,
        effects,
        predict_folds(Rows.of(effects, true), effects, folds, training, seed=seed),
    )


def without_location(table: Rows) -> Rows:
    """Return rows whose features of the location are all 0."""
    hidden = np.array([name in LOCATION_FEATURES for name in FEATURE_NAMES])
    forward, backward = (np.where(hidden, 0, part) for part in (table.forward, table.backward))
    return replace(table, forward=forward, backward=backward)


def ridge(effects: MeasuredEffects, fold: np.ndarray) -> np.ndarray:
    """Return effects as sums of one weight for each residue type that is lost or gained."""
    kinds = np.array([summed_kinds(variant) for variant in effects.mutations])
    found = np.empty(len(fold))
    for number in np.unique(fold):
        train = fold != number
        weights = np.linalg.solve(
            kinds[train].T @ kinds[train] + RIDGE * np.eye(kinds.shape[1]),
            kinds[train].T @ effects.ddg[train],
        )
        found[~train] = kinds[~train] @ weights
    return found


def summed_kinds(variant: tuple[Mutation, ...]) -> np.ndarray:
    """Return how often a variant loses, and how often it gains, each amino acid."""
    counts = np.zeros((2, len(AMINO_ACIDS)))
    for item in variant:
        counts[0, AMINO_ACIDS.index(item.wild)] += 1
        counts[1, AMINO_ACIDS.index(item.mutant)] += 1
    return counts.ravel()


def summed(effects: MeasuredEffects, number_of: Callable[[Mutation], float]) -> np.ndarray:
    """Return the sum of a number of each mutation over the mutations of each variant."""
    return np.array([sum(number_of(item) for item in variant) for variant in effects.mutations], dtype=float)


def report(name: str, scheme: str, effects: MeasuredEffects, values: np.ndarray) -> None:
    """Print one line of the table."""
    every = score_effects(effects.structures, effects.ddg, values)
    alone = np.array([len(variant) == 1 for variant in effects.mutations])
    single = score_effects(np.array(effects.structures)[alone].tolist(), effects.ddg[alone], values[alone])
    print(
        f"| {name} | {scheme} | {every.within:.3f} | {every.lower:.3f} to {every.upper:.3f} "
        f"| {every.spearman:.3f} | {every.pearson:.3f} | {single.within:.3f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
