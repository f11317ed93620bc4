"""The attention diversification loss: it penalises rows of a segment that attend the same rows.

Source: Guo et al. 2023, "Robustifying Token Attention for Vision Transformers", which penalises the cosine
similarity between the attention vectors of different tokens, so that attention does not rest on a few tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from heads.base import Head
from heads.mixers.attention.base import Attention
from heads.mixers.block import AttentionMixer
from heads.ragged import LIGAND, RECEPTOR, Segments
from ppi.errors import SettingsError
from ppi.models.config import ModelConfig

#: Attentions by the mixer that they belong to.
Attentions = Mapping[AttentionMixer, Sequence[Attention]]


def row_similarity(weights: Tensor) -> Tensor:
    """Return the mean cosine similarity between the attention vectors of different rows.

    The mean over pairs comes from the norm of the sum of the ``n`` unit vectors, so that no matrix of pairs
    is formed. A row of zeros is similar to none.

    Parameters
    ----------
    weights
        ``(H, n, n)`` weights that each of ``n`` rows, 2 or more, gives to all rows in ``H`` heads.

    Returns
    -------
    Tensor
        Scalar mean over the heads, in float32 or wider: 1 if all rows attend alike, 0 if no two rows attend
        the same row.
    """
    wide = weights.to(torch.promote_types(torch.float32, weights.dtype))
    rows, count = normalize(wide, dim=2), weights.shape[1]
    pairs = rows.sum(1).square().sum(1) - rows.square().sum((1, 2))
    return (pairs / (count * (count - 1))).mean()


def diversified(head: Head, config: ModelConfig) -> Attentions:
    """Return the attentions of a head that the loss acts on: those that form weights and learn them.

    Parameters
    ----------
    head
        Head to train.
    config
        Configuration of its model, for the messages.

    Raises
    ------
    SettingsError
        If there are none.
    """
    mixers = [part for part in head.modules() if isinstance(part, AttentionMixer)]
    if not mixers:
        raise SettingsError(
            f"losses.diversification needs a mixer with attention, but the mixer is {config.mixer!r}; choose "
            "--mixer attention, or remove the loss"
        )
    if any(mixer.reuse_selection for mixer in mixers):
        raise SettingsError(
            "losses.diversification needs the weights of each block, but with "
            "--mixer-options.reuse-selection the blocks use the selection of the first one; remove one of "
            "the two"
        )
    found = {mixer: [each for each in mixer.attentions if _learns_weights(each)] for mixer in mixers}
    if not any(found.values()):
        name = config.mixer_options.get("attention", "softmax")
        raise SettingsError(
            f"losses.diversification needs attention weights that training changes, but the attention "
            f"{name!r} never forms weights or has fixed ones; choose another one, such as softmax, or remove "
            "the loss"
        )
    return found


@contextmanager
def row_similarities(attentions: Attentions) -> Iterator[list[Tensor]]:
    """Collect the similarity of each attention in the forward passes inside a ``with`` block.

    Parameters
    ----------
    attentions
        Result of `diversified`.

    Yields
    ------
    list of Tensor
        One scalar for each call of an attention: the mean over the segments of 2 or more rows.
    """
    found: list[Tensor] = []
    with ExitStack() as stack:
        for mixer, each in attentions.items():
            stack.enter_context(_collecting(mixer, each, found))
        yield found


@contextmanager
def _collecting(
    mixer: AttentionMixer, attentions: Sequence[Attention], found: list[Tensor]
) -> Iterator[None]:
    filled: list[Tensor] = []

    def enter(_: nn.Module, arguments: tuple[Tensor, Segments]) -> None:
        filled[:] = [_filled(*arguments)]

    def collect(
        attention: nn.Module, arguments: tuple[Tensor, Tensor, Tensor, Segments], _output: Tensor
    ) -> None:
        assert isinstance(attention, Attention)
        query, key, _value, segments = arguments
        found.append(_mean_similarity(attention, query, key, segments, filled[0]))

    hooks = [mixer.register_forward_pre_hook(enter)]
    hooks += [each.register_forward_hook(collect) for each in attentions]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _filled(values: Tensor, segments: Segments) -> Tensor:
    """Return ``(S,)`` float32: 1 for a segment, and 0 for one whose rows are all zero, which pads a batch."""
    sizes = values.detach().float().abs().amax(1)
    totals = sizes.new_zeros(len(segments.lengths)).index_add_(0, segments.ids, sizes)
    return (totals > 0).float()


def _mean_similarity(
    attention: Attention, query: Tensor, key: Tensor, segments: Segments, filled: Tensor
) -> Tensor:
    parts = zip(query.split(segments.lengths), key.split(segments.lengths), strict=True)
    chosen, alike = list[int](), list[Tensor]()
    for number, (queries, keys) in enumerate(parts):
        if segments.lengths[number] > 1:
            one = segments.take([number])[1]
            # Only the weights of one segment exist at a time; the backward pass forms them again.
            alike.append(
                checkpoint(
                    _of_segment, attention, queries, keys, one, use_reentrant=False, preserve_rng_state=False
                )
            )
            chosen.append(number)
    if not alike:
        return query.new_zeros((), dtype=torch.float32)
    share = filled[chosen]
    return (torch.stack(alike) * share).sum() / share.sum().clamp(min=1)


def _of_segment(attention: Attention, query: Tensor, key: Tensor, segment: Segments) -> Tensor:
    weights = attention.weights(query, key, segment)
    assert weights is not None, "the attention was chosen because it forms weights"
    return row_similarity(weights[0])


def _learns_weights(attention: Attention) -> bool:
    """Return whether an attention forms weights that have a gradient, by those of two rows."""
    if not attention.forms_weights:
        return False
    device = next(attention.parameters(), torch.empty(0)).device
    query, key = (
        torch.zeros(2, attention.heads, attention.width, device=device, requires_grad=True) for _ in range(2)
    )
    pair = Segments.from_lengths([2], device, [((LIGAND, 1), (RECEPTOR, 1))])
    with torch.enable_grad():
        weights = attention.weights(query, key, pair)
    return weights is not None and weights[0].requires_grad
