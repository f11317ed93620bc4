"""Segments and ragged batches against what their lengths say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import batch_of, random_chain, random_complex
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from heads.ragged import (
    LIGAND,
    RECEPTOR,
    Layout,
    RaggedBatch,
    Segments,
    segment_max,
    segment_mean,
    segment_softmax,
    segment_sum,
)
from ppi.backbones.residue import ResidueBackbone
from ppi.complexes import Complex

LENGTHS = (1, 7, 30, 2)
some_lengths = st.lists(st.integers(1, 9), min_size=1, max_size=6)
few_examples = settings(max_examples=25)


def assert_same(found: Segments | None, expected: Segments | None) -> None:
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert torch.equal(found.offsets, expected.offsets)
        assert torch.equal(found.ids, expected.ids)
        assert found.lengths == expected.lengths


def assert_same_batch(found: RaggedBatch, expected: RaggedBatch) -> None:
    assert torch.equal(found.values, expected.values)
    for name in ("units", "sides", "complexes", "units_of_sides", "units_of_complexes"):
        assert_same(getattr(found.layout, name), getattr(expected.layout, name))
    assert found.layout.unit_complex == expected.layout.unit_complex
    assert found.layout.unit_role == expected.layout.unit_role


def test_segments_are_what_their_lengths_say() -> None:
    segments = Segments.from_lengths(LENGTHS)
    assert segments.offsets.tolist() == [0, 1, 8, 38, 40] == list(segments.bounds)
    assert segments.ids.tolist() == [0] + [1] * 7 + [2] * 30 + [3] * 2
    assert (len(segments), segments.rows, segments.lengths) == (4, 40, LENGTHS)
    assert segments.offsets.dtype == segments.ids.dtype == torch.int64


def rows_of(lengths: list[int], scale: float) -> Tensor:
    return scale * torch.randn(sum(lengths), 3, generator=torch.Generator().manual_seed(sum(lengths)))


@few_examples
@given(some_lengths, st.sampled_from([1e-3, 1.0, 1e3]))
def test_sums_means_and_maxima_are_those_of_a_loop(lengths: list[int], scale: float) -> None:
    values, segments = rows_of(lengths, scale), Segments.from_lengths(lengths)
    parts = values.split(lengths)
    for found, expected in (
        (segment_sum(values, segments), torch.stack([part.sum(0) for part in parts])),
        (segment_mean(values, segments), torch.stack([part.mean(0) for part in parts])),
        (segment_max(values, segments), torch.stack([part.amax(0) for part in parts])),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * scale)


@few_examples
@given(some_lengths, st.sampled_from([1e-3, 1.0, 1e3]))
def test_a_softmax_is_that_of_a_loop_and_sums_to_one(lengths: list[int], scale: float) -> None:
    scores, segments = rows_of(lengths, scale), Segments.from_lengths(lengths)
    weights = segment_softmax(scores, segments)
    torch.testing.assert_close(weights, torch.cat([part.softmax(0) for part in scores.split(lengths)]))
    torch.testing.assert_close(segment_sum(weights, segments), torch.ones(len(lengths), 3))


@few_examples
@given(some_lengths)
def test_gradients_of_segments_are_those_of_a_loop(lengths: list[int]) -> None:
    segments = Segments.from_lengths(lengths)
    for primitive, plain in (
        (segment_mean, lambda part: part.mean(0, keepdim=True)),
        (segment_max, lambda part: part.amax(0, keepdim=True)),
        (segment_softmax, lambda part: part.softmax(0)),
    ):
        found, expected = (rows_of(lengths, 1.0).requires_grad_() for _ in range(2))
        primitive(found, segments).square().sum().backward()
        torch.cat([plain(part) for part in expected.split(lengths)]).square().sum().backward()
        torch.testing.assert_close(found.grad, expected.grad, rtol=1e-5, atol=1e-6)


@few_examples
@given(some_lengths, st.data())
def test_any_segments_may_be_taken_in_any_order(lengths: list[int], data: st.DataObject) -> None:
    order = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=8))
    parts = torch.arange(sum(lengths)).split(lengths)
    taken, segments = Segments.from_lengths(lengths).take(order)
    assert torch.equal(taken, torch.cat([parts[number] for number in order]))
    assert_same(segments, Segments.from_lengths([lengths[number] for number in order]))


#: Chains of ligand and receptor of each complex, by their lengths.
some_sides = st.lists(
    st.tuples(*[st.lists(st.integers(1, 6), min_size=1, max_size=3)] * 2), min_size=1, max_size=4
)


def batch_with(complexes: list[tuple[list[int], list[int]]]) -> RaggedBatch:
    units = [
        (length, number, role)
        for number, sides in enumerate(complexes)
        for role, side in enumerate(sides)
        for length in side
    ]
    lengths, owners, roles = zip(*units, strict=True)
    return RaggedBatch.from_units(rows_of(list(lengths), 1.0), lengths, owners, roles)


@few_examples
@given(some_sides)
def test_exchanging_twice_gives_the_batch_back(complexes: list[tuple[list[int], list[int]]]) -> None:
    batch = batch_with(complexes)
    exchanged = batch.exchanged()
    assert exchanged.sides.lengths == tuple(sum(side) for pair in complexes for side in pair[::-1])
    assert_same_batch(exchanged.exchanged(), batch)


@few_examples
@given(some_sides, st.integers(1, 40))
def test_a_filled_batch_begins_with_the_batch(
    complexes: list[tuple[list[int], list[int]]], multiple: int
) -> None:
    batch = batch_with(complexes)
    filled = batch.filled(multiple)
    assert filled.values.shape[0] % multiple == 0
    assert torch.equal(filled.values[: batch.units.rows], batch.values)
    assert not filled.values[batch.units.rows :].any()
    assert filled.sides.lengths[:-2] == batch.sides.lengths


def test_segments_that_moved_are_the_same_made_there() -> None:
    made = Segments.from_lengths(LENGTHS)
    assert_same(made.to("cpu"), made)
    there = made.to("meta")
    assert there.offsets.device.type == there.ids.device.type == "meta"
    assert (there.offsets.shape, there.ids.shape, there.lengths) == ((5,), (40,), LENGTHS)
    assert len(there) == 4
    assert there.bounds == made.bounds  # from the host


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_batch_on_the_gpu_never_waits_for_it() -> None:
    made = RaggedBatch.from_units(torch.randn(40, 4), LENGTHS, [0, 0, 1, 1], [0, 1, 0, 1])
    there = made.to("cuda")
    assert_same_batch(there.to("cpu"), made)
    torch.cuda.set_sync_debug_mode("error")
    try:
        exchanged, filled = there.exchanged(), there.filled(16)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert_same_batch(exchanged.to("cpu"), made.exchanged())
    assert_same_batch(filled.to("cpu"), made.filled(16))


@pytest.mark.parametrize("order", [[2, 0], [3, 1, 1], [0, 1, 2, 3]])
def test_taken_segments_have_the_rows_of_each(order: list[int]) -> None:
    rows = torch.arange(sum(LENGTHS))
    parts = rows.split(LENGTHS)
    taken, segments = Segments.from_lengths(LENGTHS).take(order)
    assert torch.equal(taken, torch.cat([parts[number] for number in order]))
    assert_same(segments, Segments.from_lengths([LENGTHS[number] for number in order]))


def test_empty_segments_are_refused() -> None:
    with pytest.raises(ValueError, match="give the length of at least one"):
        Segments.from_lengths([])
    with pytest.raises(ValueError, match="segment 1 has 0 rows; each needs at least one"):
        Segments.from_lengths([2, 0, 2])


def test_a_layout_has_units_sides_and_complexes() -> None:
    layout = Layout.from_units([3, 1, 4, 1, 5], [0, 0, 0, 1, 1], [0, 0, 1, 0, 1])
    assert_same(layout.units, Segments.from_lengths([3, 1, 4, 1, 5]))
    assert_same(layout.sides, Segments.from_lengths([4, 4, 1, 5]))
    assert_same(layout.complexes, Segments.from_lengths([8, 6]))
    assert_same(layout.units_of_sides, Segments.from_lengths([2, 1, 1, 1]))
    assert_same(layout.units_of_complexes, Segments.from_lengths([3, 2]))
    one_sided = Layout.from_units([3, 1], [0, 1], [0, 0])
    assert one_sided.sides is None
    assert_same(one_sided.complexes, Segments.from_lengths([3, 1]))


@pytest.mark.parametrize(
    ("lengths", "owners", "message"),
    [
        ([], [], "at least one"),
        ([1, 3], [0, 1], "the units need"),
        ([3, 0], [0, 1], "segment 1 has 0 rows"),
        ([1, 2], [1, 0], "leave no complex out"),
        ([1, 2], [0, 2], "leave no complex out"),
        ([1, 2], [0], "one of each for every unit"),
    ],
)
def test_what_is_no_batch_is_refused(lengths: list[int], owners: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RaggedBatch.from_units(torch.zeros(3, 4), lengths, owners, owners)


def test_batches_of_other_values_share_their_segments() -> None:
    batch = RaggedBatch.from_units(torch.randn(40, 4), LENGTHS, [0, 0, 1, 1], [0, 1, 0, 1])
    assert batch.with_values(torch.randn(40, 2)).units is batch.units


def test_a_role_for_all_units() -> None:
    batch = RaggedBatch.from_units(torch.randn(3, 4), [1, 2], [0, 1], [LIGAND, LIGAND])
    assert batch.with_role(RECEPTOR).layout.unit_role == (RECEPTOR, RECEPTOR)


def test_exchanged_sides_are_those_of_the_exchanged_complexes(random: np.random.Generator) -> None:
    chain = random_chain(random, 30)
    complexes = [Complex("homomer", (chain, chain), (chain,)), random_complex(random, "antibody", ligand=2)]
    swapped = [Complex(item.id, item.receptor, item.ligand) for item in complexes]
    for unit in ("chain", "side"):
        found = batch_of(ResidueBackbone(), complexes, unit).exchanged()
        assert_same_batch(found, batch_of(ResidueBackbone(), swapped, unit))
