"""Validation on held-out sequences: always the same tokens with the same masks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch.nn.functional import cross_entropy

from ppi.pretraining.batches import TokenStream
from ppi.pretraining.corpus import MASK, TokenizedSequences
from ppi.pretraining.masking import MaskedBatch, mask_tokens
from ppi.pretraining.model import MaskedLanguageModel

#: Seed of the masks, which is the same for all runs, so that their figures are comparable.
_BATCH_TOKENS, _SEED = 8192, 0


@dataclass(frozen=True)
class Validation:
    """Perplexity (``exp`` of the mean cross-entropy) and accuracy over masked tokens."""

    perplexity: float
    accuracy: float


def validation_batches(
    sequences: TokenizedSequences, *, context: int, most_tokens: int, hidden_only: bool = True
) -> list[MaskedBatch]:
    """Return masked batches of validation sequences, with at most `most_tokens` tokens.

    They are masked as in training. The batch is smaller if there are fewer tokens.

    Parameters
    ----------
    sequences
        Validation sequences.
    context
        Maximum number of tokens of a window.
    most_tokens
        Maximum number of tokens of all batches together.
    hidden_only
        Predict only tokens replaced by <mask>: a tenth of the tokens in training are unchanged, which makes
        every model look better than residue frequencies.

    Raises
    ------
    InputError
        If there are no sequences.
    """
    available = int((sequences.lengths + 2).clip(max=context).sum())
    size = max(1, min(_BATCH_TOKENS, most_tokens, available))
    stream = TokenStream(sequences, context=context, batch_tokens=size, seed=_SEED)
    numbers = range(min(stream.batches_per_epoch, most_tokens // size))
    batches = [mask_tokens(stream.batch(number), _SEED, number) for number in numbers]
    return [_hidden_only(batch) for batch in batches] if hidden_only else batches


def _hidden_only(batch: MaskedBatch) -> MaskedBatch:
    hidden = batch.ids[batch.rows] == MASK
    return replace(batch, rows=batch.rows[hidden], targets=batch.targets[hidden])


@torch.no_grad()
def validate(model: MaskedLanguageModel, batches: list[MaskedBatch], device: torch.device) -> Validation:
    """Return perplexity and accuracy over all tokens to predict."""
    loss, right, guessed = 0.0, 0, 0
    for batch in batches:
        moved = batch.to(device)
        scores = model(moved)
        loss += cross_entropy(scores, moved.targets, reduction="sum").item()
        right += int((scores.argmax(1) == moved.targets).sum())
        guessed += len(moved.targets)
    return Validation(math.exp(min(loss / max(guessed, 1), 700)), right / max(guessed, 1))
