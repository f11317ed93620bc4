"""How fast heads work on ragged batches, as ratios to padded PyTorch in the same run.

Batches are complexes of the data set, drawn with a fixed seed; values and weights are random, which the time
does not depend on. A padded batch is as long as its longest segment. Times are the best of several rounds of
forward and backward. Peak memory is what an operation holds above its inputs at its worst: the running sum of
the allocations and releases that the profiler of torch reports.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import accumulate
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from torch.profiler import ProfilerActivity, profile

import ppi
from heads.attention import ragged_attention
from heads.base import Head
from heads.build import build_head
from heads.hp import HierarchicalPooling
from heads.kernels.convolution import convolve_spread, depthwise_convolution
from heads.kernels.cross_attention import cross_attention, swap_sides
from heads.kernels.dispatch import Backend, backend_for, use_backend
from heads.kernels.dynamic_convolution import dynamic_convolution
from heads.kernels.pooling import attention_pool_linear
from heads.pairs import score_pairs
from heads.ragged import LIGAND, RaggedBatch, Segments
from ppi.backbones.base import Backbone, Unit
from ppi.backbones.registry import build_backbone
from ppi.embedding.engine import embed_units
from ppi.embedding.sources import EmbeddedUnits
from ppi.embedding.units import EncodedComplex, split_into_units

ATTENTION_HEADS = 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dims", nargs="+", type=int, default=[320, 1280])
    parser.add_argument("--complexes", type=int, default=64, help="batch size")
    parser.add_argument(
        "--attention-complexes", type=int, default=16, help="complexes of the batch that attend one another"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", choices=get_args(Backend), help="by default that of the device")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    sample = ppi.load_dataset().sample(options.complexes, random_state=options.seed)
    pairs = [sides for row in zip(sample.ligand, sample.receptor, strict=True) for sides in row]
    chains = [len(chain) for side in pairs for chain in side.split(":")]
    sides = [len(side.replace(":", "")) for side in pairs]
    print(f"{options.complexes} complexes, {options.threads} thread(s)")
    compare_pairs(options.rounds, options.seed)
    with use_backend(options.backend) if options.backend else nullcontext():
        compare_operations(chains, sides, options)


def compare_operations(chains: Sequence[int], sides: Sequence[int], options: argparse.Namespace) -> None:
    """Time each operation over chains and sides of these lengths."""
    print(f"\nbackend {backend_for(torch.empty(0, device=options.device))}")
    for dim in options.dims:
        print(f"\ndim {dim}")
        for name, lengths in (("chains", chains), ("sides", sides)):
            padding = len(lengths) * max(lengths) / sum(lengths)
            print(
                f"  {len(lengths)} {name}, {sum(lengths)} residues, longest {max(lengths)}, padded to "
                f"{padding:.1f} x"
            )
            for pooling_heads in (1, 8):
                compare_pooling(lengths, dim, pooling_heads, options.rounds, options.device)
        compare_cross_attention(sides[: 2 * options.attention_complexes], dim, options.rounds, options.device)
        compare_attention(chains, dim, options.rounds, options.device)
        compare_convolution(chains, dim, options.rounds, options.device)
        compare_dynamic_convolution(chains, dim, options.rounds, options.device)


def compare_pairs(rounds: int, seed: int) -> None:
    """Score all against all, beside a loop that runs backbone and head for each pair."""
    backbone = build_backbone("random-esm2-8m-seed0", precision="float32")
    sample = ppi.load_dataset().sample(64, random_state=seed)
    ligands, receptors = (
        [tuple(side.split(":")) for side in sample[name]] for name in ("ligand", "receptor")
    )
    print("\nall against all, ESM-2 8M with random weights, float32, no mixer")
    head = build_head("hp", backbone.dim, "none").eval()
    assert isinstance(head, HierarchicalPooling)
    network = head.pair_network()
    vectors = torch.randn(2048, backbone.dim)
    with torch.inference_mode():
        seconds = best_time(lambda: network.scores(vectors, vectors), rounds, [vectors])
        print(f"  hp, sides pooled: {len(vectors) ** 2 / seconds / 1e6:.2f} million pairs/s")
        for name in ("hp", "pad"):
            head = build_head(name, backbone.dim, "none").eval()
            compare_pairs_of(head, backbone, ligands, receptors)


def compare_pairs_of(
    head: Head, backbone: Backbone, ligands: Sequence[Unit], receptors: Sequence[Unit]
) -> None:
    started = time.perf_counter()
    sides = [embedded_sides(backbone, some, head.encoding_unit) for some in (ligands, receptors)]
    embedded = time.perf_counter()
    score_pairs(head, *sides)
    finished = time.perf_counter()
    few = [ppi.Complex("pair", ligands[i], receptors[-1 - i]) for i in range(8)]
    begun = time.perf_counter()
    for item in few:
        encoded = split_into_units(item, head.encoding_unit)
        head(EmbeddedUnits.collect(embed_units(backbone, encoded.units)).gather([encoded]))
    plain = len(few) / (time.perf_counter() - begun)
    pairs = len(ligands) * len(receptors)
    total, scored = pairs / (finished - started), pairs / (finished - embedded)
    print(
        f"  {type(head).__name__}, {len(ligands)} x {len(receptors)}: {total:,.0f} pairs/s with the "
        f"backbone, {scored:,.0f} once embedded; one by one {plain:.1f}\n"
        f"      {total / plain:,.0f} x and {scored / plain:,.0f} x faster than one by one"
    )


def embedded_sides(backbone: Backbone, sides: Sequence[Unit], unit: str) -> RaggedBatch:
    """Embed sides, each as a complex of its own."""
    cut = [tuple((chain,) for chain in side) if unit == "chain" else (side,) for side in sides]
    encoded = [EncodedComplex.of_sides(units, (LIGAND,) * len(units)) for units in cut]
    return EmbeddedUnits.collect(embed_units(backbone, [u for units in cut for u in units])).gather(encoded)


def compare_pooling(lengths: Sequence[int], dim: int, pooling_heads: int, rounds: int, device: str) -> None:
    values, segments = ragged(lengths, dim, device)
    weight = (torch.randn(pooling_heads, dim, device=device) / dim**0.5).requires_grad_()
    padded, mask = pad(values, lengths)

    def ours() -> None:
        attention_pool_linear(values, weight, segments).sum().backward()

    def plain() -> None:
        scores = (padded @ weight.T).masked_fill(mask.unsqueeze(2), -torch.inf)
        by_head = padded.unflatten(2, (pooling_heads, -1))
        torch.einsum("blh,blhe->bhe", scores.softmax(1), by_head).sum().backward()

    seconds, bytes_held = report(
        f"attention pooling, {pooling_heads} head(s)", ours, rounds, [values, weight]
    )
    plain_seconds, plain_bytes = measure(plain, rounds, [padded, weight])
    print_ratios("padded", plain_seconds / seconds, plain_bytes / bytes_held)
    print_bandwidth(values, seconds, rounds)


def print_bandwidth(values: Tensor, seconds: float, rounds: int) -> None:
    """Compare with copies, counting the values as read twice and their gradient as written once."""
    rows, size = values.detach(), values.numel() * values.element_size()
    target = torch.empty_like(rows)
    achieved = 3 * size / seconds
    shares = []
    for name, copy in (("warm", lambda: target.copy_(rows)), ("new", lambda: rows.clone())):
        speed = 2 * size / best_time(copy, rounds, [values])
        shares.append(f"{achieved / speed:.0%} of a copy to {name} memory ({speed / 1e9:.1f} GB/s)")
    print(f"      {achieved / 1e9:.1f} GB/s: {', '.join(shares)}")


def compare_cross_attention(sides: Sequence[int], dim: int, rounds: int, device: str) -> None:
    segments = Segments.from_lengths(sides, device)
    query, key, value = (ragged(sides, dim, device)[0] for _ in range(3))
    inputs = [query, key, value]
    pairs = 2 * sum(ligand * receptor for ligand, receptor in zip(sides[::2], sides[1::2], strict=True))
    padding = len(sides) * max(sides[::2]) * max(sides[1::2]) / pairs
    print(
        f"  cross-attention of {len(sides) // 2} complexes, {ATTENTION_HEADS} heads, "
        f"{padding:.1f} x as many pairs of residues when padded"
    )

    def ours() -> None:
        cross_attention(query, key, value, segments, ATTENTION_HEADS).sum().backward()

    def gathered() -> None:
        rows, partners = swap_sides(segments)
        queries, keys, values = by_head([query, key[rows], value[rows]], ATTENTION_HEADS)
        ragged_attention(queries, keys, values, segments, partners).sum().backward()

    seconds, held = report("both directions in one call", ours, rounds, inputs)
    old_seconds, old_held = measure(gathered, rounds, inputs)
    print_ratios("partners gathered", old_seconds / seconds, old_held / held)

    # nn.MultiheadAttention projects too, so ours does as much.
    layer = nn.MultiheadAttention(dim, ATTENTION_HEADS, bias=False, batch_first=True).to(device)
    (ligands, ligand_mask), (receptors, receptor_mask) = (
        pad(torch.cat(query.split(list(sides))[side::2]), sides[side::2]) for side in (0, 1)
    )

    def projected() -> None:
        queries, keys, values = nn.functional.linear(query, layer.in_proj_weight).chunk(3, dim=1)
        attended = cross_attention(queries, keys, values, segments, ATTENTION_HEADS)
        layer.out_proj(attended).sum().backward()

    def plain() -> None:
        one_way, _ = layer(ligands, receptors, receptors, key_padding_mask=receptor_mask, need_weights=False)
        other_way, _ = layer(receptors, ligands, ligands, key_padding_mask=ligand_mask, need_weights=False)
        (one_way[~ligand_mask].sum() + other_way[~receptor_mask].sum()).backward()

    seconds, held = report("the same with projections", projected, rounds, [query])
    plain_seconds, plain_held = measure(plain, 1, [ligands, receptors])
    print_ratios("padded nn.MultiheadAttention", plain_seconds / seconds, plain_held / held)


def compare_attention(lengths: Sequence[int], dim: int, rounds: int, device: str) -> None:
    width, attention_heads = dim // 2, ATTENTION_HEADS // 2
    _, segments = ragged(lengths, width, device)
    inputs = [ragged(lengths, width, device)[0].detach().bfloat16().requires_grad_() for _ in range(3)]

    def ours() -> None:
        query, key, value = by_head(inputs, attention_heads)
        ragged_attention(query, key, value, segments, segments).sum().backward()

    def plain() -> None:
        chains = zip(*(part.split(list(lengths)) for part in by_head(inputs, attention_heads)), strict=True)
        attended = [
            scaled_dot_product_attention(*(part.transpose(0, 1) for part in chain)) for chain in chains
        ]
        torch.cat([rows.transpose(0, 1) for rows in attended]).sum().backward()

    seconds, held = report(
        f"attention of each chain, {attention_heads} heads, bfloat16",
        ours,
        rounds,
        inputs,
    )
    plain_seconds, plain_held = measure(plain, rounds, inputs)
    print_ratios("the fused kernel of PyTorch on each chain", plain_seconds / seconds, plain_held / held)


def compare_convolution(lengths: Sequence[int], dim: int, rounds: int, device: str) -> None:
    values, segments = ragged(lengths, dim, device)
    weight = torch.randn(dim, 7, device=device, requires_grad=True)
    inputs = [values, weight]
    seconds, held = report(
        "depthwise convolution, kernel 7",
        lambda: depthwise_convolution(values, weight, segments).sum().backward(),
        rounds,
        inputs,
    )
    plain_seconds, plain_held = measure(
        lambda: convolve_spread(values, weight, segments).sum().backward(), rounds, inputs
    )
    print_ratios("one Conv1d over spread rows", plain_seconds / seconds, plain_held / held)


def compare_dynamic_convolution(lengths: Sequence[int], dim: int, rounds: int, device: str) -> None:
    width, attention_heads, kernel = dim // 2, ATTENTION_HEADS // 2, 7
    values, segments = ragged(lengths, width, device)
    weights = torch.randn(len(values), attention_heads * kernel, device=device, requires_grad=True)
    inputs = [values, weights]

    def ours() -> None:
        dynamic_convolution(
            values, weights.unflatten(1, (attention_heads, kernel)), segments
        ).sum().backward()

    seconds, held = report("dynamic convolution, kernel 7", ours, rounds, inputs)
    padded, _ = pad(values, lengths)
    padded_weights, _ = pad(weights, lengths)

    def plain() -> None:
        around = torch.nn.functional.pad(padded, (0, 0, kernel // 2, kernel // 2))
        windows = around.unfold(1, kernel, 1).unflatten(2, (attention_heads, -1))
        each = padded_weights.unflatten(2, (attention_heads, kernel)).unsqueeze(4)
        (windows @ each).sum().backward()

    plain_seconds, plain_held = measure(plain, rounds, [padded, padded_weights])
    print_ratios("padded windows of each row", plain_seconds / seconds, plain_held / held)


def ragged(lengths: Sequence[int], dim: int, device: str) -> tuple[Tensor, Segments]:
    values = torch.randn(sum(lengths), dim, device=device, requires_grad=True)
    return values, Segments.from_lengths(lengths, device)


def by_head(parts: Sequence[Tensor], attention_heads: int) -> list[Tensor]:
    """``(T, H * E)`` to ``(T, H, E)``, each."""
    return [part.unflatten(1, (attention_heads, -1)) for part in parts]


def pad(values: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return ``(S, L, D)`` and the ``(S, L)`` mask of what is padding."""
    padded = pad_sequence(values.detach().split(list(lengths)), batch_first=True).requires_grad_()
    places = torch.arange(padded.shape[1], device=values.device)
    return padded, places >= torch.tensor(lengths, device=values.device).unsqueeze(1)


def report(what: str, work: Callable[[], None], rounds: int, inputs: Sequence[Tensor]) -> tuple[float, float]:
    seconds, held = measure(work, rounds, inputs)
    print(f"    {what}: {1000 * seconds:.1f} ms, {held / 2**20:.0f} MiB")
    return seconds, held


def print_ratios(baseline: str, faster: float, smaller: float) -> None:
    print(f"      {faster:.1f} x faster and {smaller:.1f} x less peak memory than {baseline}")


def measure(work: Callable[[], None], rounds: int, inputs: Sequence[Tensor]) -> tuple[float, float]:
    """Return seconds and bytes of forward and backward; gradients are made anew each time."""
    return best_time(work, rounds, inputs), peak_memory(work, inputs)


def best_time(work: Callable[[], object], rounds: int, inputs: Sequence[Tensor]) -> float:
    best = float("inf")
    for _ in range(rounds + 1):
        for each in inputs:
            each.grad = None
        synchronize(inputs)
        started = time.perf_counter()
        work()
        synchronize(inputs)
        best = min(best, time.perf_counter() - started)
    return best


def synchronize(inputs: Sequence[Tensor]) -> None:
    if inputs[0].is_cuda:
        torch.cuda.synchronize()


def peak_memory(work: Callable[[], None], inputs: Sequence[Tensor]) -> float:
    """Return the most bytes that the work holds at once above its inputs."""
    for each in inputs:
        each.grad = None
    if inputs[0].is_cuda:
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        work()
    # The raw events: those of the summary fold most allocations into the operation around them.
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events))


if __name__ == "__main__":
    main()
