"""Packed sequences, attention inside them, rotary positions, and tokens by table look-up."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from heads.attention import ragged_attention
from heads.kernels.cross_attention import cross_attention
from heads.kernels.dispatch import use_backend
from heads.kernels.flash import flash_takes
from heads.ragged import Segments
from ppi.backbones.packing import Pack, Rotary
from ppi.backbones.vocabulary import Vocabulary
from ppi.errors import InputError

LENGTHS = [5, 5, 1, 3, 5]


def test_positions_restart_with_each_sequence() -> None:
    pack = Pack(LENGTHS, "cpu")
    assert pack.positions.tolist() == [p for length in LENGTHS for p in range(length)]
    assert pack.offsets.tolist() == [0, 5, 10, 11, 14, 19]
    assert pack.longest == 5


@pytest.mark.parametrize("biased", [False, True])
def test_attention_equals_a_softmax_over_each_sequence(biased: bool) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, sum(LENGTHS), 2, 4, dtype=torch.float64)
    slopes = torch.tensor([0.5, -1.0], dtype=torch.float64)

    def bias(length: int) -> torch.Tensor:
        places = torch.arange(length, dtype=torch.float64)
        return slopes[:, None, None] * (places[None] - places[:, None])

    found = Pack(LENGTHS, "cpu").attend(query, key, value, scale=0.3, bias=bias if biased else None)
    expected = []
    for q, k, v in zip(*(part.split(LENGTHS) for part in (query, key, value)), strict=True):
        scores = 0.3 * torch.einsum("qhe,khe->hqk", q, k) + (bias(len(q)) if biased else 0)
        expected.append(torch.einsum("hqk,khe->qhe", scores.softmax(dim=2), v).flatten(1))
    assert torch.allclose(found, torch.cat(expected))


def test_flash_gets_each_sequence_and_its_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the kernel of the GPU, which takes its arguments by place."""

    def varlen(q: Tensor, k: Tensor, v: Tensor, starts: Tensor, key_starts: Tensor, *longest: int) -> Tensor:
        assert starts.dtype == key_starts.dtype == torch.int32
        assert longest == (5, 5)
        pieces = []
        for (a, b), (c, d) in zip(pairwise(starts.tolist()), pairwise(key_starts.tolist()), strict=True):
            scores = torch.einsum("qhe,khe->hqk", q[a:b], k[c:d]) * q.shape[2] ** -0.5
            pieces.append(torch.einsum("hqk,khe->qhe", scores.softmax(2), v[c:d]))
        return torch.cat(pieces)

    torch.manual_seed(0)
    query, key, value = torch.randn(3, sum(LENGTHS), 2, 8)
    assert not flash_takes(query.half())  # on the CPU
    expected = Pack(LENGTHS, "cpu").attend(query, key, value, scale=0.3)
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", varlen)
    monkeypatch.setattr("ppi.backbones.packing.flash_takes", lambda _: True)
    assert torch.allclose(Pack(LENGTHS, "cpu").attend(query, key, value, scale=0.3), expected, atol=1e-6)
    # Sides of two complexes; those of one need not be as long.
    sides = Segments.from_lengths(LENGTHS[1:])
    rows = [part[:14].flatten(1) for part in (query, key, value)]
    with use_backend("reference"):
        expected = cross_attention(*rows, sides, 2)
    monkeypatch.setattr("heads.kernels.cross_attention.flash_takes", lambda _: True)
    monkeypatch.setattr("heads.kernels.cross_attention.backend_for", lambda _: "triton")
    assert torch.allclose(cross_attention(*rows, sides, 2), expected, atol=1e-6)
    segments = Segments.from_lengths(LENGTHS)
    expected = ragged_attention(query, key, value, segments, segments)
    monkeypatch.setattr("heads.attention.flash_takes", lambda _: True)
    monkeypatch.setattr("heads.attention.backend_for", lambda _: "triton")
    monkeypatch.setattr("heads.attention._in_order", None)
    assert torch.allclose(ragged_attention(query, key, value, segments, segments), expected, atol=1e-6)


def test_rotary_scores_depend_on_the_distance_only() -> None:
    torch.manual_seed(0)
    turned = Rotary(8, torch.arange(30), torch.float32)
    query, key = torch.randn(2, 1, 1, 8)
    queries, keys = turned.turn(query.expand(30, 1, 8)), turned.turn(key.expand(30, 1, 8))
    scores = torch.einsum("qhe,khe->qk", queries, keys)
    for distance in range(-29, 30):
        diagonal = scores.diagonal(distance)
        assert torch.allclose(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4)
    assert not torch.allclose(scores[0], scores[0, :1].expand(30), atol=1e-2)
    assert torch.allclose(queries[0], query[0])


def test_tokens_of_units() -> None:
    letters = {letter: number for number, letter in enumerate("ACDEFGHIKLMNPQRSTVWYX", start=10)}
    vocabulary = Vocabulary(letters, start=0, separator=1, end=2)
    tokens = vocabulary.encode([("AC", "D"), ("XU",)])
    assert tokens.ids.tolist() == [0, 10, 11, 1, 12, 2, 0, 30, 30, 2]
    assert tokens.lengths == [6, 4]
    assert tokens.residue.tolist() == [bool(token >= 10) for token in tokens.ids]
    bare = Vocabulary(letters, start=None, separator=2, end=2).encode([("AC", "D")])
    assert bare.ids.tolist() == [10, 11, 2, 12, 2]
    assert tokens.ids.dtype == np.int64


@pytest.mark.parametrize("chain", ["ac", "A-C", "A C", "Aß"])
def test_what_is_no_residue_is_refused(chain: str) -> None:
    letters = {letter: number for number, letter in enumerate("ACDEFGHIKLMNPQRSTVWYX")}
    for start in (None, 30):
        with pytest.raises(InputError, match="is not a residue"):
            Vocabulary(letters, start=start, separator=31, end=32).encode([(chain,)])
