"""Train the model of mutation effects that ships, calibrate its intervals, and write its folder.

python scripts/fit_effects.py interfaces.parquet effects.csv.gz structures.tar.xz --out ppi/weights/effects
"""

from __future__ import annotations

import argparse
import logging
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from data_curation.files import check_writable_folder, sha256_of
from ppi.backbones.registry import build_backbone
from ppi.effects.benchmark import read_effects
from ppi.effects.card import model_card
from ppi.effects.fit import EffectTraining, fit_effects
from ppi.effects.folds import Similarity
from ppi.effects.interfaces import read_interfaces
from ppi.effects.likelihood import LanguageHead
from ppi.embedding.cache import EmbeddingCache
from ppi.provenance import code_provenance


def main() -> None:
    """Read the data, train and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("interfaces", type=Path, help="table of interfaces (Parquet)")
    parser.add_argument("effects", type=Path, help="benchmark of mutation effects (CSV)")
    parser.add_argument("structures", type=Path, help="archive of the structures of the benchmark")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--backbone", default="ppi-mini", help="language model (default: ppi-mini)")
    parser.add_argument(
        "--layers",
        type=int,
        nargs="+",
        default=[2, 4, 6],
        help="its layers, the last one last (default: 2 4 6)",
    )
    parser.add_argument("--store", type=Path, help="folder that keeps embeddings")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn (default: 0)")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    check_writable_folder(given.out)
    interfaces = read_interfaces(given.interfaces)
    effects = read_effects(given.effects, interfaces, given.structures)
    training = EffectTraining()
    backbone = build_backbone(given.backbone, layers=given.layers)
    with closing(EmbeddingCache(backbone, "cpu", store=given.store)) as cache:
        head = LanguageHead.read(given.backbone)
        similar = Similarity(effects.complexes, interfaces)
        model = fit_effects(cache, head, interfaces, effects, training, seed=given.seed, similar=similar)
        sources = (given.interfaces, given.effects, given.structures)
        model.manifest |= {
            "trained_on": {
                "files": {source.name: sha256_of(source) for source in sources},
                "interfaces": len(interfaces),
                "variants": len(effects.ddg),
                "structures": len(effects.complexes),
            },
            "training": asdict(training),
            "seed": given.seed,
            "versions": code_provenance(),
        }
        model.save(
            given.out, card=model_card(model.manifest, model.parts.interval, model.parts.structure_interval)
        )


if __name__ == "__main__":
    main()
