"""Masking for a masked language model: 15 % of the tokens, as in BERT and ESM-2."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ppi.pretraining.batches import PackedTokens
from ppi.pretraining.corpus import FIRST_RESIDUE, LAST_RESIDUE, MASK

#: Fraction of tokens to predict, and of these, replaced by <mask> and by a random amino acid.
GUESSED, HIDDEN, SWAPPED = 0.15, 0.8, 0.1
_MASKS = 2
_AHEAD = 4


@dataclass(frozen=True)
class MaskedBatch:
    """Packed tokens, some of them masked.

    Attributes
    ----------
    ids
        ``(N,)`` int64 input tokens of the model.
    lengths
        Tokens of each sequence.
    rows
        ``(K,)`` int64, sorted: indices of the tokens to predict.
    targets
        ``(K,)`` int64: true tokens at these indices.
    """

    ids: Tensor
    lengths: list[int]
    rows: Tensor
    targets: Tensor

    def pinned(self) -> MaskedBatch:
        """Return the batch in pinned memory, for asynchronous copies to a GPU."""
        ids, rows, targets = (part.pin_memory() for part in (self.ids, self.rows, self.targets))
        return MaskedBatch(ids, self.lengths, rows, targets)

    def to(self, device: torch.device) -> MaskedBatch:
        """Return the batch on a device; copies of a pinned batch may still be running."""
        ids, rows, targets = (
            part.to(device, non_blocking=True) for part in (self.ids, self.rows, self.targets)
        )
        return MaskedBatch(ids, self.lengths, rows, targets)


def mask_tokens(packed: PackedTokens, *seed: int) -> MaskedBatch:
    """Mask tokens; equal seeds mask the same tokens.

    15 % of all tokens, to the nearest whole number, are to be predicted, drawn from the twenty amino acids
    (not special tokens or X). Of those, 80 % become <mask>, 10 % a random amino acid, and 10 % are unchanged
    (Devlin et al. 2019). If there are fewer amino acids than that, all but one are to be predicted.
    """
    random = np.random.default_rng((*seed, _MASKS))
    candidates = np.flatnonzero((packed.ids >= FIRST_RESIDUE) & (packed.ids <= LAST_RESIDUE))
    wanted = min(round(GUESSED * len(packed.ids)), max(len(candidates) - 1, 0))
    rows = np.sort(random.choice(candidates, wanted, replace=False))
    targets, fate = packed.ids[rows], random.random(wanted)
    others = random.integers(FIRST_RESIDUE, LAST_RESIDUE + 1, wanted)
    ids = packed.ids.copy()
    ids[rows] = np.where(fate < HIDDEN, MASK, np.where(fate < HIDDEN + SWAPPED, others, targets))
    return MaskedBatch(
        torch.from_numpy(ids), packed.lengths, torch.from_numpy(rows), torch.from_numpy(targets)
    )


def prefetched(make: Callable[[int], MaskedBatch], first: int) -> Generator[MaskedBatch, None, None]:
    """Yield ``make(first)``, ``make(first + 1)``, ... without end, computed ahead in another thread."""
    with ThreadPoolExecutor(1) as worker:
        waiting: list[Future[MaskedBatch]] = [worker.submit(make, first + ahead) for ahead in range(_AHEAD)]
        number = first + _AHEAD
        try:
            while True:
                ready = waiting.pop(0)
                waiting.append(worker.submit(make, number))
                number += 1
                yield ready.result()
        finally:
            for future in waiting:
                future.cancel()
