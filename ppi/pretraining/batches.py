"""Batches of packed crops: an endless stream of tokens, divided into batches of equal size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppi.errors import InputError
from ppi.pretraining.corpus import CLS, EOS, TokenizedSequences

_CROPS = 1


@dataclass(frozen=True)
class PackedTokens:
    """Sequences, or pieces of them, packed without padding.

    Attributes
    ----------
    ids
        ``(N,)`` int64 tokens.
    lengths
        Number of tokens of each piece; equal lengths are neighbours.
    """

    ids: np.ndarray
    lengths: list[int]


class TokenStream:
    """Batches as a pure function of a seed and a batch number, so that a resumed run repeats nothing.

    A sequence is ``<cls> residues <eos>``; if it is longer than the context, a random window is taken. As in
    ESM-2 (Lin et al. 2023), <cls> and <eos> mark the true ends of a protein, and a window that does not reach
    an end lacks its token. Each epoch has all sequences in a new order, and batch b takes the tokens from ``b
    * batch_tokens`` on: every batch is full, and a sequence at a boundary is divided.

    Parameters
    ----------
    sequences
        Sequences to train on.
    context
        Maximum number of tokens of a window.
    batch_tokens
        Number of tokens of a batch, ``N``.
    seed
        Seed of the order and the windows.

    Raises
    ------
    InputError
        If the sequences do not fill one batch.
    """

    def __init__(self, sequences: TokenizedSequences, *, context: int, batch_tokens: int, seed: int) -> None:
        self.sequences, self.batch_tokens, self._seed = sequences, batch_tokens, seed
        self._full_lengths = sequences.lengths + 2
        self._lengths = np.minimum(self._full_lengths, context)
        self.epoch_tokens = int(self._lengths.sum())
        self.batches_per_epoch = self.epoch_tokens // batch_tokens
        if not self.batches_per_epoch:
            raise InputError(
                f"the corpus has {self.epoch_tokens} tokens for training, fewer than one batch of "
                f"{batch_tokens}; give a larger corpus or a smaller batch"
            )
        self._epoch = -1
        self._draw(0)

    def batch(self, number: int) -> PackedTokens:
        """Return a batch of exactly `batch_tokens` tokens; batch numbers start at 0."""
        epoch, place = divmod(number, self.batches_per_epoch)
        self._draw(epoch)
        low = place * self.batch_tokens
        high = low + self.batch_tokens
        first = int(np.searchsorted(self._ends, low, side="right"))
        last = int(np.searchsorted(self._ends, high, side="left"))
        pieces = []
        for index in range(first, last + 1):
            end = int(self._ends[index])
            sequence = int(self._order[index])
            start = end - int(self._lengths[sequence])
            window = int(self._windows[sequence])
            pieces.append(
                self._piece(sequence, window + max(low - start, 0), window + min(high, end) - start)
            )
        pieces.sort(key=len)
        return PackedTokens(np.concatenate(pieces).astype(np.int64), [len(piece) for piece in pieces])

    def _draw(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        random = np.random.default_rng((self._seed, epoch, _CROPS))
        self._order = random.permutation(len(self._lengths))
        self._windows = random.integers(0, self._full_lengths - self._lengths + 1)
        self._ends = np.cumsum(self._lengths[self._order])
        self._epoch = epoch

    def _piece(self, sequence: int, low: int, high: int) -> np.ndarray:
        """Return tokens ``low`` to ``high`` of ``<cls> residues <eos>``."""
        offset, whole = int(self.sequences.offsets[sequence]), int(self._full_lengths[sequence])
        residues = self.sequences.tokens[offset + max(low - 1, 0) : offset + min(high, whole - 1) - 1]
        marks = ([CLS] if low == 0 else [], [EOS] if high == whole else [])
        return np.concatenate([np.array(marks[0], np.uint8), residues, np.array(marks[1], np.uint8)])
