"""How close attentions without training come to softmax attention, on queries and keys of a language model.

    python benchmarks/sparse_attention.py --chains 20 --shortest 500

Each layer of the language model computes softmax attention on real chains; beside it, each sparse attention
computes from the same queries, keys and values. Printed are the error, the norm of the difference divided by
that of softmax attention, as the mean over chains and layers, and that of the worst layer.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from compare import Measure, write_result
from torch import Tensor

from heads.kernels.dense import AttentionBias
from heads.mixers.attention.base import Attention
from heads.names import ATTENTIONS
from heads.options import make_part
from heads.ragged import Segments
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.packing import Pack
from ppi.backbones.registry import build_backbone
from ppi.datasets import load_dataset

#: Attentions that have no parameters, with about as many keys a row: 512, or all of a short chain.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "spans, 256 on each side": ("spans", {"starts": 256}),
    "power": ("power", {"window": 128}),
    "block-sparse, rectified": ("block-sparse", {"block": 64, "top_k": 8}),
    "block-sparse, plain": ("block-sparse", {"block": 64, "top_k": 8, "rectified": False}),
    "block-sparse of 16, rectified": ("block-sparse", {"block": 16, "top_k": 4}),
    "block-sparse of 16, plain": ("block-sparse", {"block": 16, "top_k": 4, "rectified": False}),
    "hierarchical": ("hierarchical", {}),
    "flex": ("flex", {}),
}


class ComparingPack(Pack):
    """One sequence whose softmax attention stands beside that of other attentions."""

    def __init__(self, length: int) -> None:
        super().__init__([length], "cpu")
        self.errors, self.layer = list[tuple[int, str, float]](), 0

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, *, scale: float, bias: AttentionBias | None = None
    ) -> Tensor:
        exact = super().attend(query, key, value, scale=scale, bias=bias)
        self.layer += 1
        segments = Segments.from_lengths([len(query)])
        # The attentions divide by the square root of the width themselves.
        scaled = query * (scale * query.shape[2] ** 0.5)
        for name, other in made(*query.shape[1:]).items():
            found = other(scaled, key, value, segments).flatten(1)
            self.errors.append((self.layer, name, float((found - exact).norm() / exact.norm())))
        return exact


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="ppi-mini")
    parser.add_argument("--chains", type=int, default=20)
    parser.add_argument("--shortest", type=int, default=500, help="residues")
    parser.add_argument("--output", type=Path, help="write the errors as JSON, for compare.py")
    given = parser.parse_args()
    encoder = build_backbone(given.backbone, precision="float32")
    if not isinstance(encoder, PackedEncoder):
        parser.error(f"{given.backbone} has no attention; name a language model")
    table = errors(encoder, long_chains(given.chains, given.shortest))
    by_layer = table.groupby(["attention", "layer"], sort=False)["error"].mean().unstack()
    summary = pd.DataFrame({"mean": by_layer.mean(axis=1), "worst layer": by_layer.max(axis=1)})
    print(summary.round(3).to_string())
    if given.output is not None:
        figures = {str(name): round(float(value), 4) for name, value in summary["mean"].items()}
        write_result(given.output, {"error": Measure("lower", 0.05, figures)})


def long_chains(count: int, shortest: int) -> list[str]:
    """Return different chains of the data set in the package that are long enough, in its order."""
    frame = load_dataset()
    sides = pd.concat([frame["ligand"], frame["receptor"]]).drop_duplicates()
    chains = dict.fromkeys(chain for side in sides for chain in side.split(":") if len(chain) >= shortest)
    return list(chains)[:count]


@torch.inference_mode()
def errors(encoder: PackedEncoder, chains: list[str]) -> pd.DataFrame:
    """Return ``attention, layer, error`` for each chain."""
    rows = []
    for chain in chains:
        ids = torch.from_numpy(encoder.vocabulary.encode([(chain,)]).ids)
        pack = ComparingPack(len(ids))
        for _ in encoder.states(ids, pack):
            pass
        rows += [{"layer": layer, "attention": name, "error": error} for layer, name, error in pack.errors]
    return pd.DataFrame(rows)


@cache
def made(heads: int, width: int) -> dict[str, Attention]:
    """Return the attentions to compare, for `heads` heads of this width."""
    found = {}
    for name, (attention, options) in VARIANTS.items():
        more = {"growths": (0.0,) * heads} if attention == "spans" else {}
        found[name] = make_part(ATTENTIONS, attention, heads, width, options={**options, **more}).eval()
    return found


if __name__ == "__main__":
    main()
