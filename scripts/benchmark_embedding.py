"""How fast complexes are embedded, as ratios to a plain loop in the same run.

The plain loop runs the model of the transformers library on one unit at a time, in float32 with eager
attention. Both see the same distinct chains of real complexes, on as many threads as `--threads` says.
Weights are random: the time does not depend on them.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from transformers import EsmModel

import ppi
from ppi.backbones.base import Unit
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.esm2 import Esm2Backbone
from ppi.backbones.registry import build_backbone
from ppi.backbones.vocabulary import Vocabulary
from ppi.embedding.batching import budget_batches
from ppi.embedding.engine import embed_units
from ppi.embedding.store import EmbeddingStore
from ppi.embedding.units import unit_length

#: Residues in a batch of a training.
TRAINING_BATCH = 16_384


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbones", nargs="+", default=["esm2-8m", "esm2-35m"])
    parser.add_argument("--complexes", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--token-budget", type=int)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sample = ppi.load_dataset().sample(options.complexes, random_state=0)
    complexes = [
        tuple(f"{ligand}:{receptor}".split(":"))
        for ligand, receptor in zip(sample.ligand, sample.receptor, strict=True)
    ]
    units = sorted({(chain,) for chains in complexes for chain in chains})
    residues = sum(map(unit_length, units))
    print(
        f"{len(complexes)} complexes, {len(units)} distinct chains, {residues} residues, "
        f"{options.threads} thread(s)"
    )
    peaks = {dtype: matmul_peak(dtype, options.device) for dtype in (torch.float32, torch.bfloat16)}
    print(
        "matrix-product peak: "
        + ", ".join(f"{dtype} {peak / 1e9:.0f} GFLOP/s" for dtype, peak in peaks.items())
    )
    for name in options.backbones:
        spec = f"random-{name}-seed0"
        print(f"\n{spec}")
        exact = build_backbone(spec, precision="float32")
        if not isinstance(exact, Esm2Backbone):
            parser.error(f"{name} is not an ESM-2 checkpoint, which the plain loop runs")
        model = exact.to(options.device).model
        model.set_attn_implementation("eager")
        plain = report(
            "plain loop, float32",
            residues,
            partial(plain_loop, model, exact.vocabulary, units),
        )
        for precision in ("float32", "bfloat16"):
            backbone = build_backbone(spec, precision=precision)
            assert isinstance(backbone, PackedEncoder)
            speed = report(
                f"packed, {precision}",
                residues,
                partial(embed_all, backbone, units, options.token_budget, options.device),
            )
            share = speed / residues * flops(backbone, units) / peaks[backbone.dtype]
            print(f"    {speed / plain:.2f} x the plain loop, {share:.0%} of the matrix-product peak")
        print_error(spec, units[:: max(1, len(units) // 64)])
        print_tokenisation(exact, complexes)
        print_read_back(exact, units)
    print(
        f"\npeak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"
    )


def report(what: str, residues: int, work: Callable[[], None]) -> float:
    """Run the work; print and return residues a second."""
    started = time.perf_counter()
    work()
    speed = residues / (time.perf_counter() - started)
    print(f"  {what}: {speed:,.0f} residues/s")
    return speed


def plain_loop(model: EsmModel, vocabulary: Vocabulary, units: Sequence[Unit]) -> None:
    with torch.inference_mode():
        for unit in units:
            ids = torch.from_numpy(vocabulary.encode([unit]).ids).unsqueeze(0).to(model.device)
            model(ids, attention_mask=torch.ones_like(ids)).last_hidden_state.cpu()


def embed_all(backbone: PackedEncoder, units: Sequence[Unit], budget: int | None, device: str) -> None:
    for _ in embed_units(backbone, units, token_budget=budget, devices=[device]):
        pass


def matmul_peak(dtype: torch.dtype, device: str) -> float:
    """Return FLOP/s of a large matrix product."""
    size = 4096
    left, right = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        (left @ right)[0, 0].item()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def flops(backbone: PackedEncoder, units: Sequence[Unit]) -> float:
    """Return the floating-point operations of the matrix products for units."""
    weights = sum(part.weight.numel() for part in backbone.modules() if isinstance(part, torch.nn.Linear))
    layers = sum(1 for name, _ in backbone.named_modules() if name.endswith("attention.self"))
    lengths = backbone.vocabulary.encode(units).lengths
    return sum(2 * n * weights + 4 * n * n * backbone.dim * layers for n in lengths)


def print_error(spec: str, units: Sequence[Unit]) -> None:
    with torch.inference_mode():
        exact = build_backbone(spec, precision="float32").embed(units)
        half = build_backbone(spec, precision="bfloat16").embed(units).float()
    error = (half - exact).norm(dim=1) / exact.norm(dim=1)
    print(
        f"  bfloat16 against float32: relative error {error.mean():.2%} mean, {error.max():.2%} of the worst "
        "residue"
    )


def print_tokenisation(backbone: PackedEncoder, complexes: Sequence[Unit]) -> None:
    started = time.perf_counter()
    backbone.vocabulary.encode(complexes)
    seconds = time.perf_counter() - started
    print(f"  tokenisation: {1000 * seconds / len(complexes):.4f} ms a complex")


def print_read_back(backbone: PackedEncoder, units: Sequence[Unit]) -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddingStore(Path(folder), backbone) as store:
        for computed in embed_units(backbone, units):
            store.put(computed)
        # In batches of a training, in random order.
        order = torch.randperm(len(units), generator=torch.Generator().manual_seed(0)).tolist()
        batches = list(budget_batches([unit_length(unit) for unit in units], TRAINING_BATCH, order))
        started, rounds = time.perf_counter(), 0
        while time.perf_counter() - started < 1:
            for batch in batches:
                store.rows([units[index] for index in batch])
            rounds += 1
        speed = rounds * store.size_of(units) / (time.perf_counter() - started)
    print(f"  store: read back, checked and widened to float32 at {speed / 1e9:.2f} GB/s")


if __name__ == "__main__":
    main()
