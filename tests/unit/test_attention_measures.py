"""The measures of attention on weights that are known, and against naive loops."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from ppi.explain.attention.collect import Collector
from ppi.explain.attention.heterogeneity import heterogeneity
from ppi.explain.attention.measures import MEASURES, uniform
from ppi.explain.attention.overlap import jaccard, most_important, overlap
from ppi.explain.attention.reach import (
    across_chains,
    across_sides,
    distance,
    distant_influence,
    distant_share,
)
from ppi.explain.attention.secondary import LayerStatistics, massive_activations, runs, secondary_sinks
from ppi.explain.attention.sinks import largest_received, sink_rate
from ppi.explain.attention.view import KINDS, LayerView, Place, UnitRows

#: <cls>, two chains of the ligand, one of the receptor, with a special token after each.
LENGTHS, SIDES = (25, 13, 22), (0, 0, 1)
RESIDUE = torch.tensor([0, *[1] * 25, 0, *[1] * 13, 0, *[1] * 22, 0]).bool()
ROWS = UnitRows.of(LENGTHS, SIDES, RESIDUE)
N, HEADS, WIDTH = len(RESIDUE), 3, 4
FAR = 10


def view_of(weights: Tensor, rows: UnitRows = ROWS, layer: int = 0, **changes: Tensor) -> LayerView:
    generator = torch.Generator().manual_seed(7)
    heads, n, _ = weights.shape
    outputs = torch.randn(n, heads, WIDTH, generator=generator)
    hidden = torch.randn(n, 6, generator=generator)
    made = LayerView(Place(1, "backbone", layer), 0, weights, outputs, hidden, rows)
    return made._replace(**changes)


def random_weights(heads: int = HEADS, n: int = N) -> Tensor:
    return (2 * torch.randn(heads, n, n, generator=torch.Generator().manual_seed(3))).softmax(2).double()


def sink_at(row: int, share: float = 0.9) -> Tensor:
    """Return weights that give `share` to one row, and the rest evenly to the others."""
    weights = torch.full((1, N, N), (1 - share) / (N - 1))
    weights[:, :, row] = share
    return weights


def test_rows_know_their_chain_side_and_kind() -> None:
    kinds = [KINDS[kind] for kind in ROWS.kind.tolist()]
    assert [n for n, kind in enumerate(kinds) if kind == "special token"] == [0, 26, 40, 63]
    assert [n for n, kind in enumerate(kinds) if kind == "first residue"] == [1, 27, 41]
    assert ROWS.chain[RESIDUE].bincount().tolist() == list(LENGTHS)
    assert ROWS.side[RESIDUE].bincount().tolist() == [38, 22]
    assert ROWS.chain[~RESIDUE].unique().tolist() == ROWS.side[~RESIDUE].unique().tolist() == [-1]


def test_neighbouring_chains_without_special_tokens_have_first_residues() -> None:
    assert UnitRows.of([2, 1, 3], [0, 0, 1]).kind.tolist() == [1, 2, 1, 1, 2, 2]


@pytest.mark.parametrize(("row", "kind"), [(0, 0), (27, 1), (30, 2)])
def test_a_sink_is_found_with_its_kind(row: int, kind: int) -> None:
    view = view_of(sink_at(row))
    assert sink_rate(view, 0.3).tolist() == [1]
    assert [sink_rate(view, 0.3, number).item() for number in range(3)] == [
        float(n == kind) for n in range(3)
    ]
    assert largest_received(view, 0.3).item() == pytest.approx(0.9)
    assert sink_rate(view, 0.95).tolist() == [0]


def test_uniform_attention_has_no_sink_and_a_short_unit_cannot_tell() -> None:
    even = torch.full((2, N, N), 1 / N)
    assert sink_rate(view_of(even), 0.3).tolist() == [0, 0]
    short = view_of(torch.full((2, 3, 3), 1 / 3), UnitRows.of([3], [0]))
    assert sink_rate(short, 0.3).isnan().all()


@pytest.mark.parametrize("length", [2, 11, 60])
def test_uniform_attention_spans_a_third_of_a_chain(length: int) -> None:
    view = view_of(torch.full((1, length, length), 1 / length).double(), UnitRows.of([length], [0]))
    assert distance(view).item() == pytest.approx((length**2 - 1) / (3 * length))


def test_reach_equals_naive_loops() -> None:
    weights = random_weights()
    view = view_of(weights)
    chain, side = ROWS.chain.tolist(), ROWS.side.tolist()
    for head in range(HEADS):
        own = spans = clipped = far = among = chains = sides = 0.0
        influence = [[0.0, 0] for _ in range(N)]
        for i in range(N):
            for j in range(N):
                if chain[i] < 0 or chain[j] < 0:
                    continue
                weight = weights[head, i, j].item()
                among += weight
                chains += weight * (chain[i] != chain[j])
                sides += weight * (side[i] != side[j])
                if chain[i] == chain[j]:
                    own, spans = own + weight, spans + weight * abs(i - j)
                    clipped += weight * min(abs(i - j), FAR)
                    if abs(i - j) >= FAR:
                        far += weight
                        influence[j] = [influence[j][0] + weight, influence[j][1] + 1]
        assert distance(view)[head].item() == pytest.approx(spans / own)
        assert distance(view, FAR)[head].item() == pytest.approx(clipped / own)
        assert distant_share(view)[head].item() == pytest.approx(far / own)
        assert across_chains(view)[head].item() == pytest.approx(chains / among)
        assert across_sides(view)[head].item() == pytest.approx(sides / among)
        largest = max(total / count for total, count in influence if count >= FAR)
        assert distant_influence(view)[head].item() == pytest.approx(N * largest)


def test_uniform_attention_has_distant_influence_1_and_short_chains_none() -> None:
    assert distant_influence(view_of(torch.full((1, N, N), 1 / N))).item() == pytest.approx(1)
    short = UnitRows.of([12], [0])
    assert distant_influence(view_of(torch.full((1, 12, 12), 1 / 12), short)).isnan().all()


def test_one_chain_crosses_nothing() -> None:
    view = view_of(random_weights(n=9), UnitRows.of([9], [0]))
    assert across_chains(view).isnan().all()
    assert across_sides(view).isnan().all()
    antibody = view_of(random_weights(n=9), UnitRows.of([4, 5], [0, 0]))
    assert not across_chains(antibody).isnan().any()
    assert across_sides(antibody).isnan().all()


def test_a_head_unlike_the_others_is_heterogeneous() -> None:
    outputs = torch.ones(N, HEADS, WIDTH)
    outputs[:, 2] *= -1
    found = heterogeneity(view_of(random_weights(), outputs=outputs))
    assert found.tolist() == pytest.approx([2 / 3, 2 / 3, 4 / 3])
    assert heterogeneity(view_of(random_weights(), outputs=outputs * 5)).tolist() == pytest.approx(
        found.tolist()
    )


def test_secondary_sinks_are_not_the_strongest_row() -> None:
    weights = torch.full((2, N, N), 0.1 / (N - 2))
    weights[:, :, 0], weights[:, :, 30] = 0.5, 0.4
    hidden = torch.randn(N, 6, generator=torch.Generator().manual_seed(1))
    hidden[30] = 3 * hidden[0]
    ((row, kind, cosine),) = secondary_sinks(view_of(weights, hidden=hidden), 0.3)
    assert (row, KINDS[kind]) == (30, "other residue")
    assert cosine == pytest.approx(1)
    assert secondary_sinks(view_of(weights), 0.45) == []


def test_lifetimes_count_consecutive_layers() -> None:
    assert runs([4, 2, 3, 7]) == [(2, 3), (7, 1)]
    statistics = LayerStatistics(0.3)
    strong = torch.full((1, N, N), 0.1 / (N - 2))
    strong[:, :, 0], strong[:, :, 30] = 0.5, 0.4
    for layer, weights in enumerate([sink_at(0), strong, strong, sink_at(0)]):
        statistics.see(view_of(weights, layer=layer))
    statistics.end_units()
    table = pd.DataFrame(statistics.rows()).set_index("layer")
    assert table["secondary_per_unit"].tolist() == [0, 1, 1, 0]
    assert table["secondary_beginning"].tolist() == [0, 1, 0, 0]
    assert table["secondary_lifetime"][1] == 2
    assert (table["primary_kind"] == "special token").all()


def test_massive_activations_are_relative_to_the_median() -> None:
    hidden = torch.ones(10, 8)
    hidden[4, 3] = -150
    largest, massive = massive_activations(hidden)
    assert largest == 150
    assert massive.nonzero().tolist() == [[4, 3]]
    assert massive_activations(torch.zeros(3, 2))[0] == 0
    statistics = LayerStatistics(0.3)
    statistics.see(view_of(sink_at(4), hidden=hidden[[*range(10), *[0] * (N - 10)]]))
    (row,) = statistics.rows()
    assert (row["massive_dimensions"], row["massive_in_sinks"]) == ([3], 1)


def test_collected_means_leave_out_units_without_a_value() -> None:
    collector = Collector(0.3)
    single = UnitRows.of([N], [0])
    views = [view_of(random_weights()), view_of(sink_at(2).expand(HEADS, N, N).double(), single)]
    for view in views:
        collector.see(view)
        collector.layers.end_units()
    table = collector.head_table()
    assert table["head"].tolist() == [0, 1, 2]
    assert table["distance"].tolist() == pytest.approx(
        np.mean([distance(view).tolist() for view in views], axis=0).tolist()
    )
    assert table["across_chains"].tolist() == pytest.approx(across_chains(views[0]).tolist())
    even = [MEASURES["distance"].of(uniform(view), 0.3).item() for view in views]
    assert collector.references()["distance"] == pytest.approx(np.mean(even))
    assert "heterogeneity" not in collector.references()


def test_classes_that_need_the_same_heads_overlap() -> None:
    effects = np.zeros((20, 40))
    effects[[3, 4], :20] = 1
    effects[[4, 9], 20:] = 1
    found = overlap(effects, ["a"] * 20 + ["b"] * 17 + ["c"] * 3, "kind", seed=0)
    assert found.table.to_numpy().tolist() == [[1, 1 / 3], [1 / 3, 1]]
    assert found.heads == 2
    assert found.chance == pytest.approx(2 / 38)
    assert found.omitted == ["c"]
    assert most_important(-effects, 1) == frozenset({0})
    assert jaccard(frozenset({1, 2}), frozenset({2, 3})) == pytest.approx(1 / 3)


def test_every_measure_is_a_number_or_missing() -> None:
    for rows in (ROWS, UnitRows.of([1], [0]), UnitRows.of([2, 1], [0, 1])):
        n = len(rows.chain)
        view = view_of(random_weights(n=n), rows)
        for name, measure in MEASURES.items():
            values = measure.of(view, 0.3)
            assert values.shape == (HEADS,), name
            assert not any(math.isinf(value) for value in values.tolist()), name
