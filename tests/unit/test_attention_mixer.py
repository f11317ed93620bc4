"""The block around an attention, and softmax attention, against dense attention in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import batch_of, random_complex
from torch import Tensor
from torch.nn.functional import gelu

from heads.build import build_head, build_mixer
from heads.mixers.attention.base import Attention
from heads.mixers.attention.softmax import SoftmaxAttention
from heads.mixers.base import Mixer
from heads.mixers.block import AttentionBlock, AttentionMixer
from heads.mixers.rotary import rotated
from heads.ragged import Segments
from ppi.backbones.residue import ResidueBackbone
from ppi.complexes import Complex

DIM, HEADS = 48, 4
SEGMENTS = Segments.from_lengths([1, 3, 40, 7, 40])


def make(dtype: torch.dtype = torch.float64, **options: Any) -> AttentionMixer:
    torch.manual_seed(0)
    mixer = build_mixer("attention", DIM, {"heads": HEADS, **options})
    assert isinstance(mixer, AttentionMixer)
    return mixer.to(dtype).eval()


def rows(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(SEGMENTS.rows, DIM, generator=torch.Generator().manual_seed(1)).to(dtype)


def dense_weights(query: Tensor, key: Tensor) -> Tensor:
    """Return ``(H, T, T)`` weights; a mask leaves the rows of the same segment."""
    scores = torch.einsum("qhd,khd->hqk", query, key) / query.shape[2] ** 0.5
    alike = SEGMENTS.ids.unsqueeze(1) == SEGMENTS.ids
    return scores.masked_fill(~alike, -torch.inf).softmax(2)


def dense_block(block: AttentionBlock, values: Tensor) -> Tensor:
    query, key, value = block.projected(block.norm(values))
    attended = torch.einsum("hqk,khd->qhd", dense_weights(query, key), value)
    if block.gate is not None:
        gate = block.gate(block.norm(values)).sigmoid()
        attended = attended * gate.view(len(values), HEADS, -1)
    values = values + block.out(attended.flatten(1))
    return values + block.contract(gelu(block.expand(block.network_norm(values))))


@pytest.mark.parametrize("gate", ["none", "head", "element"])
@pytest.mark.parametrize("depth", [1, 2])
def test_blocks_equal_dense_attention(gate: str, depth: int) -> None:
    mixer, values = make(gate=gate, depth=depth), rows()
    expected = values
    for block in mixer.blocks:
        assert isinstance(block, AttentionBlock)
        expected = dense_block(block, expected)
    torch.testing.assert_close(mixer(values, SEGMENTS), expected)


def test_narrow_blocks_are_added_to_the_rows() -> None:
    mixer, values = make(width=16, depth=2), rows()
    assert mixer.narrow is not None
    assert mixer.widen is not None
    inside = mixer.narrow(values)
    assert inside.shape == (SEGMENTS.rows, 16)
    for block in mixer.blocks:
        assert isinstance(block, AttentionBlock)
        inside = dense_block(block, inside)
    torch.testing.assert_close(mixer(values, SEGMENTS), values + mixer.widen(inside))


def test_softmax_weights_are_those_of_each_segment() -> None:
    attention = SoftmaxAttention(HEADS, 6).double()
    query, key, value = (rows().unflatten(1, (HEADS, -1)).roll(shift, 0)[..., :6] for shift in range(3))
    weights = attention.weights(query, key, SEGMENTS)
    expected = dense_weights(query, key)
    start = 0
    for length, found in zip(SEGMENTS.lengths, weights, strict=True):
        inside = slice(start, start + length)
        torch.testing.assert_close(found, expected[:, inside, inside])
        start += length
    mixed = torch.cat(
        [
            torch.einsum("hqk,khd->qhd", each, part)
            for each, part in zip(weights, value.split(SEGMENTS.lengths), strict=True)
        ]
    )
    torch.testing.assert_close(attention(query, key, value, SEGMENTS), mixed)


def test_rows_of_zeros_give_finite_values_and_gradients() -> None:
    mixer = make(gate="element")
    values = torch.zeros(SEGMENTS.rows, DIM, dtype=torch.float64, requires_grad=True)
    mixer(values, SEGMENTS).sum().backward()
    assert torch.isfinite(values.grad).all()
    assert all(torch.isfinite(each.grad).all() for each in mixer.parameters())


def test_bfloat16_is_close() -> None:
    exact = make()(rows(), SEGMENTS)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        found = make(torch.float32)(rows(torch.bfloat16), SEGMENTS)
    assert (found - exact).norm() < 0.02 * exact.norm()


def test_dropout_works_in_training_only() -> None:
    mixer, values = make(dropout=0.5), rows()
    assert torch.equal(mixer(values, SEGMENTS), mixer(values, SEGMENTS))
    mixer.train()
    assert not torch.equal(mixer(values, SEGMENTS), mixer(values, SEGMENTS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 5}, "the width 48 is not a multiple of 5 heads"),
        ({"width": 10}, "the width 10 is not a multiple of 4 heads"),
        ({"width": 0}, "it must be a whole number of at least 1 or none"),
        ({"depth": 0}, "depth of mixer attention is 0; it must be a whole number of at least 1"),
        ({"gate": "row"}, "gate of mixer attention is 'row'; it must be one of none, head, element"),
        ({"dropout": 1}, "it must be a number of at least 0 and below 1"),
        ({"hidden": 0}, "it must be a whole number of at least 1 or none"),
        ({"standard_layers": [2], "depth": 2}, "standard_layers names block 2, but the blocks are 0 to 1"),
        ({"standard_layers": [-1]}, "standard_layers of mixer attention is"),
        ({"rotary": True, "heads": 16}, "rotary turns pairs of columns, but the width of a head is 3"),
        ({"reposition": True}, "reposition changes rotary positions, but rotary is false; set it to true"),
        ({"reuse_selection": True}, "needs an attention that selects, but SoftmaxAttention does not"),
        ({"attention": "hard"}, "there is no attention 'hard'; choose one of softmax"),
        ({"attention_options": {"window": 3}}, "attention softmax has no option 'window'; its options: none"),
    ],
)
def test_unfit_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_parts_declare_whether_order_matters() -> None:
    class Undeclared(Mixer):
        def forward(self, values: Tensor, segments: Segments) -> Tensor:
            return values

    class UndeclaredAttention(Attention):
        def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
            return value

    with pytest.raises(TypeError, match="mixer Undeclared does not declare order_sensitive"):
        Undeclared()
    with pytest.raises(TypeError, match="attention UndeclaredAttention does not declare order_sensitive"):
        UndeclaredAttention(1, 2)
    assert not make().order_sensitive
    assert build_mixer("convbert", DIM).order_sensitive


def test_standard_layers_are_softmax_and_count_in_the_order_sensitivity() -> None:
    mixer = make(attention="relu", depth=3, standard_layers=[0, 2])
    kinds = [type(each).__name__ for each in mixer.attentions]
    assert kinds == ["SoftmaxAttention", "ReluAttention", "SoftmaxAttention"]
    assert not mixer.order_sensitive
    assert make(attention="power", depth=2, standard_layers=[0]).order_sensitive


def test_rotary_scores_depend_on_distances_within_segments() -> None:
    """A rotation by complex numbers is the reference; a shift of both rows changes no product."""
    segments, width = Segments.from_lengths([9, 4]), 8
    same = torch.randn(1, 2, width, dtype=torch.float64).expand(13, -1, -1)
    found = rotated(same, segments)
    places = torch.tensor([*range(9), *range(4)], dtype=torch.float64)
    angles = places.unsqueeze(1) * 10_000.0 ** -(torch.arange(4, dtype=torch.float64) / 4)
    turned = torch.complex(same[..., :4], same[..., 4:]) * torch.polar(
        torch.ones(()).double(), angles
    ).unsqueeze(1)
    torch.testing.assert_close(found, torch.cat([turned.real, turned.imag], dim=2), atol=1e-5, rtol=1e-5)
    products = torch.einsum("ihd,jhd->hij", found[:9], found[:9])
    torch.testing.assert_close(products[:, :-1, :-1], products[:, 1:, 1:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[:4], found[9:])


def test_a_rotary_mixer_knows_the_order() -> None:
    mixer, values = make(rotary=True), rows()
    assert mixer.order_sensitive
    one = Segments.from_lengths([len(values)])
    assert not torch.allclose(mixer(values, one).flip(0), mixer(values.flip(0), one))


def recorded(attend: Callable[..., Any], last: list[Any]) -> Callable[..., Any]:
    """Return the function, which now also lists its last argument."""

    def call(*given: Any) -> Any:
        last.append(given[-1])
        return attend(*given)

    return call


@pytest.mark.parametrize("name", ["block-sparse", "flex", "hierarchical", "native-sparse"])
def test_later_blocks_reuse_the_selection_of_the_first(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"flex": {"block": 8, "least": 1, "most": 2}, "hierarchical": {"chunk": 8, "top_k": 2}}
    options = few.get(name, {"block": 8, "top_k": 2})
    mixer = make(attention=name, attention_options=options, depth=3, reuse_selection=True)
    seen: list[Any] = []
    for attention in mixer.attentions:
        monkeypatch.setattr(attention, "attend", recorded(attention.attend, seen))
    found = mixer(rows(), SEGMENTS)
    assert len(seen) == 3
    assert all(each is seen[0] for each in seen)
    chosen_anew = make(attention=name, attention_options=options, depth=3)(rows(), SEGMENTS)
    assert not torch.allclose(found, chosen_anew)


def test_repositioned_chains_start_at_zero() -> None:
    segments = Segments.from_lengths([9, 4], chains=[((0, 5), (1, 4)), ((0, 4),)])
    same = torch.randn(1, 2, 8).expand(13, -1, -1)
    found = rotated(same, segments, by_chain=True)
    for chain in (found[5:9], found[9:]):
        torch.testing.assert_close(chain, found[:4])
    with pytest.raises(ValueError, match="positions of each chain need the chains of each segment"):
        rotated(same, Segments.from_lengths([9, 4]), by_chain=True)
    mixer = make(rotary=True, reposition=True)
    values = torch.randn(13, DIM, dtype=torch.float64)
    assert not torch.allclose(mixer(values, segments), make(rotary=True)(values, segments))


@pytest.mark.parametrize("head", ["sc", "pad"])
def test_heads_know_the_chains_of_their_units(head: str, random: np.random.Generator) -> None:
    """Chains of one side are isolated in every form of a batch: as gathered, filled and exchanged."""
    torch.manual_seed(0)
    options = {"heads": 4, "attention": "isolated", "rotary": True, "reposition": True}
    made = build_head(head, 48, "attention", mixer_options=options, symmetric=True).eval()
    backbone = ResidueBackbone()
    complexes = [random_complex(random, str(number), ligand=2, receptor=2) for number in range(3)]
    batch = batch_of(backbone, complexes, made.encoding_unit, made.both_orders)
    assert backbone.dim == batch.values.shape[1] == 48
    chains = batch.units.chains
    assert chains is not None
    assert [rows for _, rows in chains[0]] == [len(each) for each in complexes[0].chains[: len(chains[0])]]
    scores = made(batch)
    torch.testing.assert_close(made(batch.filled(64))[:3], scores)
    alone = batch_of(backbone, complexes[:1], made.encoding_unit, made.both_orders)
    torch.testing.assert_close(made(alone), scores[:1])
    swapped = [Complex(each.id, each.receptor, each.ligand) for each in complexes]
    torch.testing.assert_close(
        made(batch_of(backbone, swapped, made.encoding_unit, made.both_orders)), scores
    )
