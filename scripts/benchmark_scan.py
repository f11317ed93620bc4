"""How an alanine scan of barnase and barstar ranks their hot spots when nothing of the complex was learnt.

    python scripts/benchmark_scan.py interfaces.parquet effects.csv.gz structures.tar.xz --work folder

The model of mutation effects is fitted without the entry 1BRS and without every interface and measured
variant of a complex with a chain that is 30 % identical to one of 1BRS. It is kept in the folder `--work`,
from which it is read when it is there. Measured complexes have no part in the scan.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ppi.backbones.registry import build_backbone
from ppi.effects.benchmark import MeasuredEffects, read_effects
from ppi.effects.fit import EffectTraining, fit_effects
from ppi.effects.folds import Similarity, apart
from ppi.effects.interfaces import Interface, read_interfaces
from ppi.effects.likelihood import LanguageHead
from ppi.effects.location_training import LocationTraining
from ppi.effects.model import EffectModel
from ppi.embedding.cache import EmbeddingCache
from ppi.metrics import spearman
from ppi.prediction.scanning.choice import Choice
from ppi.prediction.scanning.labels import label_chains

STRUCTURE = "1BRS_A_D"
LAYERS = (2, 4, 6)
#: Hot spots by side: the position along the chain of the structure, and the name in the literature.
HOT_SPOTS = {"ligand": {100: "H102", 57: "R59"}, "receptor": {39: "D39", 29: "Y29"}}


def main() -> None:
    """Fit or read the model, scan, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("interfaces", type=Path, help="table of interfaces (Parquet)")
    parser.add_argument("effects", type=Path, help="benchmark of mutation effects (CSV)")
    parser.add_argument("structures", type=Path, help="archive of the structures of the benchmark")
    parser.add_argument("--work", type=Path, required=True, help="folder of the fitted model")
    parser.add_argument("--epochs", type=int, default=3, help="of the location networks (default: 3)")
    parser.add_argument("--networks", type=int, default=2, help="location networks (default: 2)")
    parser.add_argument("--store", type=Path, help="folder that keeps embeddings")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    interfaces = read_interfaces(given.interfaces)
    effects = read_effects(given.effects, interfaces, given.structures)
    if not given.work.exists():
        training = EffectTraining(networks=given.networks, location=LocationTraining(epochs=given.epochs))
        fit_without(interfaces, effects, training, given.store).save(
            given.work, card=f"Mutation effects, without {STRUCTURE} and what resembles it.\n"
        )
    with closing(EffectModel.load(given.work, device="cpu", store=given.store)) as model:
        report(scan(model, effects))


def fit_without(
    interfaces: Sequence[Interface], effects: MeasuredEffects, training: EffectTraining, store: Path | None
) -> EffectModel:
    """Return the model that has seen neither the structure nor a similar chain."""
    near = Similarity(effects.complexes, interfaces).chains_near([STRUCTURE])
    kept = {name for name, item in effects.complexes.items() if near.isdisjoint(item.chains)}
    kept -= {name for name in kept if name.startswith(STRUCTURE[:4])}
    rest = apart(interfaces, [STRUCTURE], near)
    logging.info(
        "left out: %d of %d interfaces, structures %s",
        *(len(interfaces) - len(rest), len(interfaces), ", ".join(sorted(effects.complexes.keys() - kept))),
    )
    cache = EmbeddingCache(build_backbone("ppi-mini", layers=LAYERS), "cpu", store=store)
    return fit_effects(cache, LanguageHead.read("ppi-mini"), rest, only(effects, kept), training, seed=0)


def only(effects: MeasuredEffects, names: set[str]) -> MeasuredEffects:
    """Return the variants of some structures."""
    rows = np.array([name in names for name in effects.structures])
    return replace(
        effects,
        complexes={name: item for name, item in effects.complexes.items() if name in names},
        structures=[name for name in effects.structures if name in names],
        mutations=[item for item, kept in zip(effects.mutations, rows, strict=True) if kept],
        ddg=effects.ddg[rows],
        table=effects.table[rows],
    )


def scan(model: EffectModel, effects: MeasuredEffects) -> pd.DataFrame:
    """Return predicted effects of all mutations to alanine, beside those that were measured."""
    wild = effects.complexes[STRUCTURE]
    measured = {
        items[0]: ddg
        for name, items, ddg in zip(effects.structures, effects.mutations, effects.ddg, strict=True)
        if name == STRUCTURE and len(items) == 1
    }
    labels = label_chains(wild, {})
    mutations = [items[0] for items in Choice(alanine=True).variants(wild, labels)]
    return pd.DataFrame(
        {
            "side": [item.side for item in mutations],
            "position": [item.position for item in mutations],
            "mutation": [f"{item.wild}{item.position}{item.mutant}" for item in mutations],
            "measured": [measured.get(item, np.nan) for item in mutations],
            "predicted": model.ddg(wild, [[item] for item in mutations]),
        }
    )


def report(table: pd.DataFrame) -> None:
    """Print hot spots and measured mutations of each side, and whether each hot spot is above the rest."""
    for side, hot in HOT_SPOTS.items():
        own = table[table["side"] == side].sort_values("predicted", ascending=False)
        own = own.assign(rank=range(1, len(own) + 1))
        known = own[own["measured"].notna()]
        order = spearman(known["measured"].to_numpy(), known["predicted"].to_numpy())
        print(f"\n{side}: {len(own)} mutations; Spearman over {len(known)} measured ones {order:.2f}\n")
        print("| rank | mutation | predicted ddG | measured ddG |\n| --- | --- | --- | --- |")
        for row in own[own["measured"].notna() | own["position"].isin(hot)].to_dict("records"):
            value = f"{row['measured']:.2f}" if row["measured"] == row["measured"] else ""
            print(f"| {row['rank']} | {row['mutation']} | {row['predicted']:.2f} | {value} |")
        rest = own.loc[~own["position"].isin(hot), "predicted"].mean()
        print(f"\nmean of the rest: {rest:.2f} kcal/mol")
        for row in own[own["position"].isin(hot)].to_dict("records"):
            verdict = "above" if row["predicted"] > rest else "NOT above"
            print(
                f"{hot[row['position']]}A: {row['predicted']:.2f}, rank {row['rank']} of {len(own)}, "
                f"{verdict} the mean of the rest"
            )


if __name__ == "__main__":
    main()
