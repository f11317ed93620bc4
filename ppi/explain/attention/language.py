"""The loss of a masked language model on residues of the complexes, with a head switched off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ppi.backbones.base import Unit
from ppi.backbones.esm2 import Esm2Backbone
from ppi.backbones.packing import Pack
from ppi.complexes import AMINO_ACIDS
from ppi.effects.likelihood import LanguageHead
from ppi.embedding.batching import budget_batches
from ppi.embedding.units import unit_length

#: Fraction of the known residues of a unit that are masked: that of the training of ESM-2.
MASKED = 0.15
#: Residues in a batch.
_TOKEN_BUDGET = 8192
#: Number of the token <mask> in the vocabulary of ESM-2.
_MASK = 32
#: Function that makes the pack of sequences with these lengths.
MakePack = Callable[[Sequence[int], torch.device], Pack]


class LanguageLoss:
    """The cross-entropy of masked residues over the 20 amino acids, in nats; the masks are always the same.

    Parameters
    ----------
    encoder
        ESM-2.
    head
        Its language head.
    units
        Units to score.
    seed
        Seed of the masks.
    """

    def __init__(
        self, encoder: Esm2Backbone, head: LanguageHead, units: Sequence[Unit], *, seed: int
    ) -> None:
        self.encoder, self.units = encoder, units
        device = next(encoder.parameters()).device
        self.head = LanguageHead.from_tensors(
            {name: part.to(device) for name, part in head.tensors().items()}
        )
        self._batches = [
            (batch, _Masked(encoder, [units[unit] for unit in batch], [(seed, unit) for unit in batch]))
            for batch in budget_batches([unit_length(unit) for unit in units], _TOKEN_BUDGET)
        ]

    def per_unit(self, make_pack: MakePack = Pack) -> tuple[np.ndarray, np.ndarray]:
        """Return, for each unit, the sum of the losses of its masked residues, and their number.

        Parameters
        ----------
        make_pack
            Function that makes the pack of a forward pass, such as one that switches a head off.
        """
        total, count = np.zeros((2, len(self.units)))
        for batch, masked in self._batches:
            losses = masked.losses(self.encoder, self.head, make_pack)
            total[batch] = np.bincount(masked.unit_of, losses, minlength=len(batch))
            count[batch] = np.bincount(masked.unit_of, minlength=len(batch))
        return total, count


class _Masked:
    """Packed units with masked residues."""

    def __init__(
        self, encoder: Esm2Backbone, units: Sequence[Unit], seeds: Sequence[tuple[int, int]]
    ) -> None:
        tokens = encoder.vocabulary.encode(units)
        self.lengths = tokens.lengths
        unit = np.repeat(np.arange(len(units)), tokens.lengths)
        letters = np.array([letter for each in units for chain in each for letter in chain])
        known = np.zeros(len(unit), dtype=bool)
        known[tokens.residue] = letters != "X"
        rows = np.concatenate(
            [_drawn(np.flatnonzero(known & (unit == n)), seed) for n, seed in enumerate(seeds)]
        )
        place = np.cumsum(tokens.residue) - 1
        self.rows, self.unit_of = torch.from_numpy(rows), unit[rows]
        self.truth = torch.tensor(
            [AMINO_ACIDS.index(letter) for letter in letters[place[rows]]], dtype=torch.int64
        )
        self.ids = torch.from_numpy(tokens.ids.copy())
        self.ids[self.rows] = _MASK

    @torch.inference_mode()
    def losses(self, encoder: Esm2Backbone, head: LanguageHead, make_pack: MakePack) -> np.ndarray:
        device = next(encoder.parameters()).device
        ids = self.ids.to(device)
        with _token_dropout(encoder.model, ids, self.lengths):
            *_, last = encoder.states(ids, make_pack(self.lengths, device))
        scores = head(last[self.rows.to(device)])
        losses: np.ndarray = -scores.cpu().gather(1, self.truth.unsqueeze(1)).squeeze(1).double().numpy()
        return losses


def _drawn(rows: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
    """Return the masked ones of the rows of the known residues of a unit, at least one if there are any."""
    count = min(len(rows), max(1, round(MASKED * len(rows))))
    return np.random.default_rng(seed).choice(rows, size=count, replace=False)


@contextmanager
def _token_dropout(model: Any, ids: Tensor, lengths: Sequence[int]) -> Iterator[None]:
    """Zero masked tokens and scale the rest of a sequence by the fraction that remains (Rives et al.
    2021).
    """
    if not model.embeddings.token_dropout:
        yield
        return
    counts = torch.tensor(lengths, device=ids.device)
    sequence = torch.repeat_interleave(torch.arange(len(lengths), device=ids.device), counts)
    kept = (ids != _MASK).float()
    fraction = torch.zeros(len(lengths), device=ids.device).index_add_(0, sequence, kept) / counts

    def scaled(_module: nn.Module, _inputs: object, rows: Tensor) -> Tensor:
        return rows * (kept / fraction[sequence]).unsqueeze(1).to(rows.dtype)

    hook = model.embeddings.word_embeddings.register_forward_hook(scaled)
    try:
        yield
    finally:
        hook.remove()
