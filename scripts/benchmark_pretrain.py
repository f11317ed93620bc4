"""How fast `ppi pretrain` trains, as ratios to a plain loop in the same run.

The plain loop trains `EsmForMaskedLM` of the transformers library in float32 with eager attention on padded
batches of 16 sequences in random order, scores every token, and steps torch's AdamW. Both see sequences of
the lengths of the data set's chains, cropped to the same context, and take the same tokens in one optimiser
step; padding does not count as tokens. Peaks are of one large matrix product, and of the six products of a
layer for as many tokens as go through the model at once. With one thread on a CPU the time is that of the
processor, so that other work on the machine hardly shows; else it is time on the clock. The best of several
rounds counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from transformers import EsmForMaskedLM

import ppi
from ppi.pretraining.batches import TokenStream
from ppi.pretraining.corpus import CLS, EOS, FIRST_RESIDUE, LAST_RESIDUE, MASK, TokenizedSequences
from ppi.pretraining.masking import GUESSED, MaskedBatch, mask_tokens, prefetched
from ppi.pretraining.model import make_model, small_config
from ppi.pretraining.optimiser import Learner
from ppi.pretraining.settings import PretrainSettings

_PAD = 1
_SEQUENCES = 16


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--micro-tokens", type=int, nargs="+", default=[2048])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    for name in ("depth", "width", "heads"):
        parser.add_argument(f"--{name}", type=int, default=getattr(PretrainSettings, name))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="compile the layers as well")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.device == "cpu" and options.threads == 1 else time.perf_counter
    sequences = random_sequences()
    given = PretrainSettings(
        depth=options.depth,
        width=options.width,
        heads=options.heads,
        batch_tokens=options.batch_tokens,
        micro_tokens=options.batch_tokens,
    )
    large = 2048 if options.device == "cpu" else 8192
    peaks = {
        dtype: matmul_peak([(large, large, large)], dtype, options.device, clock)
        for dtype in (torch.float32, torch.bfloat16)
    }
    shown = ", ".join(f"{str(dtype)[6:]} {peak / 1e9:.0f} GFLOP/s" for dtype, peak in peaks.items())
    print(f"a step of {given.batch_tokens} tokens, {options.threads} thread(s); matrix-product peak: {shown}")
    plain = speed(plain_step(sequences, given, options.device), given, options.rounds, clock)
    print(f"  plain loop, float32: {plain:,.0f} tokens/s")
    for dtype in (torch.float32, torch.bfloat16):
        for micro in options.micro_tokens:
            settings = replace(given, micro_tokens=micro)
            step = our_step(sequences, settings, options.device, dtype, options.compile)
            ours = speed(step, settings, options.rounds, clock)
            done = ours * flops_per_token(settings, sequences)
            in_shape = matmul_peak(layer_products(settings), dtype, options.device, clock)
            print(
                f"  packed, {str(dtype)[6:]}, {micro} tokens at once: {ours:,.0f} tokens/s, "
                f"{ours / plain:.1f} x the plain loop, {done / peaks[dtype]:.0%} of the matrix-product peak, "
                f"{done / in_shape:.0%} of that of the layers' products"
            )


def random_sequences() -> TokenizedSequences:
    """Return random residues in sequences of the lengths of the distinct chains of the data set."""
    table = ppi.load_dataset()
    chains = sorted(
        {chain for side in (table.ligand, table.receptor) for text in side for chain in text.split(":")}
    )
    random = np.random.default_rng(0)
    lengths = random.permutation([len(chain) for chain in chains])
    tokens = random.integers(FIRST_RESIDUE, LAST_RESIDUE + 1, lengths.sum()).astype(np.uint8)
    return TokenizedSequences(tokens, np.cumsum([0, *lengths]))


def plain_step(sequences: TokenizedSequences, settings: PretrainSettings, device: str) -> Callable[[], int]:
    """Return what does one optimiser step of the plain loop and returns its tokens."""
    model = make_plain(settings).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    random = np.random.default_rng(1)

    def step() -> int:
        tokens = 0
        while tokens < settings.batch_tokens:
            crops = [random_crop(sequences, settings.context, random) for _ in range(_SEQUENCES)]
            tokens += sum(map(len, crops))
            ids, labels = padded(crops, random)
            inputs = {"input_ids": ids, "attention_mask": (ids != _PAD).long(), "labels": labels}
            model(**{name: part.to(device) for name, part in inputs.items()}).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip).item()
        optimizer.step()
        optimizer.zero_grad()
        return tokens

    return step


def make_plain(settings: PretrainSettings) -> EsmForMaskedLM:
    model = make_model(config_of(settings), settings.seed)
    model.set_attn_implementation("eager")
    return model


def random_crop(sequences: TokenizedSequences, context: int, random: np.random.Generator) -> np.ndarray:
    number = int(random.integers(len(sequences.lengths)))
    start, end = sequences.offsets[number : number + 2]
    whole = np.concatenate([[CLS], sequences.tokens[start:end], [EOS]])
    return whole[:context]


def padded(crops: list[np.ndarray], random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return ``(B, L)`` ids and labels, padded to the longest; 15 % of the tokens are masked."""
    ids = np.full((len(crops), max(map(len, crops))), _PAD)
    for row, crop in zip(ids, crops, strict=True):
        row[: len(crop)] = crop
    chosen = (random.random(ids.shape) < GUESSED) & (ids >= FIRST_RESIDUE)
    labels = np.where(chosen, ids, -100)
    ids[chosen] = MASK
    return torch.from_numpy(ids), torch.from_numpy(labels)


def our_step(
    sequences: TokenizedSequences, settings: PretrainSettings, device: str, dtype: torch.dtype, compiled: bool
) -> Callable[[], int]:
    """Return what does one optimiser step of `ppi pretrain`, data and masks included."""
    place = torch.device(device)
    learner = Learner(config_of(settings), settings, device=place, dtype=dtype, compile_layers=compiled)
    stream = TokenStream(sequences, context=settings.context, batch_tokens=settings.micro_tokens, seed=0)

    def masked(number: int) -> MaskedBatch:
        batch = mask_tokens(stream.batch(number), 0, number)
        return batch.pinned() if place.type == "cuda" else batch

    batches = prefetched(masked, 0)

    def step() -> int:
        for _ in range(settings.micro_batches):
            learner.backward(next(batches).to(place), 1 / settings.micro_batches)
        norm = learner.gradient_norm()
        learner.step(1e-4)
        norm.item()
        return settings.batch_tokens

    return step


def config_of(settings: PretrainSettings) -> object:
    return small_config(
        depth=settings.depth, width=settings.width, heads=settings.heads, context=settings.context
    )


def speed(
    step: Callable[[], int], settings: PretrainSettings, rounds: int, clock: Callable[[], float]
) -> float:
    """Return tokens a second of the fastest round."""
    for _ in range(2):  # compile, and fill what is made ahead
        step()
    best = 0.0
    for _ in range(rounds):
        started = clock()
        tokens = step()
        best = max(best, tokens / (clock() - started))
    return best


def layer_products(settings: PretrainSettings) -> list[tuple[int, int, int]]:
    """Return the shapes of the products of a layer: queries, keys, values, output, feed-forward."""
    tokens, width = settings.micro_tokens, settings.width
    return 4 * [(tokens, width, width)] + [(tokens, width, 4 * width), (tokens, 4 * width, width)]


def matmul_peak(
    shapes: Sequence[tuple[int, int, int]], dtype: torch.dtype, device: str, clock: Callable[[], float]
) -> float:
    """Return FLOP/s of matrix products ``(N, K) (K, M)`` of shapes ``(N, K, M)``, one after another."""
    pairs = [
        tuple(torch.randn(size, dtype=dtype, device=device) for size in ((rows, inner), (inner, columns)))
        for rows, inner, columns in shapes
    ]
    best = float("inf")
    for _ in range(4):
        started = clock()
        products = [left @ right for left, right in pairs]
        products[-1][0, 0].item()
        best = min(best, clock() - started)
    return sum(2 * rows * inner * columns for rows, inner, columns in shapes) / best


def flops_per_token(settings: PretrainSettings, sequences: TokenizedSequences) -> float:
    """Return what the matrix products of a plain training step need, forwards and backwards (three passes).

    Rows of the last layer and of the head that are left out count, too: it is the work of the model.
    """
    lengths = np.minimum(sequences.lengths + 2, settings.context)
    layer = 12 * settings.width**2 + 2 * settings.width * (lengths**2).sum() / lengths.sum()
    return float(3 * 2 * (settings.depth * layer + settings.width**2))


if __name__ == "__main__":
    main()
