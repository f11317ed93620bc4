"""What a masked language model has to guess: 15 % of the tokens, hidden as in BERT and ESM-2."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ppi.pretraining.batches import PackedTokens
from ppi.pretraining.corpus import FIRST_RESIDUE, LAST_RESIDUE, MASK

#: Part of the tokens to guess, and of these, shown as <mask> and as a random amino acid; others stay.
GUESSED, HIDDEN, SWAPPED = 0.15, 0.8, 0.1
_MASKS = 2
_AHEAD = 4


@dataclass(frozen=True)
class MaskedBatch:
    """Packed tokens, some of them hidden.

    Attributes
    ----------
    ids
        ``(N,)`` int64, as the model sees them.
    lengths
        Tokens of each sequence.
    rows
        ``(K,)`` int64, sorted: which tokens are to be guessed.
    targets
        ``(K,)`` int64, what they are.
    """

    ids: Tensor
    lengths: list[int]
    rows: Tensor
    targets: Tensor

    def pinned(self) -> MaskedBatch:
        """Return it in memory from which a GPU copies by itself."""
        ids, rows, targets = (part.pin_memory() for part in (self.ids, self.rows, self.targets))
        return MaskedBatch(ids, self.lengths, rows, targets)

    def to(self, device: torch.device) -> MaskedBatch:
        """Return it on a device; where it is pinned, copies may still be under way."""
        ids, rows, targets = (
            part.to(device, non_blocking=True) for part in (self.ids, self.rows, self.targets)
        )
        return MaskedBatch(ids, self.lengths, rows, targets)


def mask_tokens(packed: PackedTokens, *seed: int) -> MaskedBatch:
    """Hide tokens; equal seeds hide the same.

    15 % of all tokens, to the nearest whole number, are to be guessed, drawn from the twenty amino acids:
    special tokens and X are none. Of those, 80 % become <mask>, 10 % an amino acid at random, 10 % stay
    (Devlin et al. 2019). Where there are fewer amino acids than that, all but one are to be guessed.
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
    """Yield ``make(first)``, ``make(first + 1)``, ... for ever, made ahead in one other thread."""
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
