"""The cost model behind `--estimate`: work of a backbone, rates of the machine, and the mutants of a scan."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ppi.backbones.base import Unit
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.registry import build_backbone
from ppi.cli import main
from ppi.complexes import Complex
from ppi.embedding import rates
from ppi.embedding.cost import Work, pass_work
from ppi.embedding.embed import embed
from ppi.embedding.estimate import estimate_embedding
from ppi.embedding.job import EmbeddingJob
from ppi.embedding.rates import fitted, predict_seconds
from ppi.io.tables import ComplexTable, table_of
from ppi.io.text import format_duration
from ppi.prediction.scanning import estimate as scan_estimate
from ppi.prediction.scanning.estimate import scan_seconds

UNITS: list[Unit] = [("ACDEF" * 20,), ("AC" * 60, "KL" * 10), ("W",)]


@pytest.fixture(scope="module")
def esm2() -> PackedEncoder:
    backbone = build_backbone("random-esm2-8m-seed0", precision="float32")
    assert isinstance(backbone, PackedEncoder)
    return backbone


def test_the_operations_are_those_that_torch_counts(esm2: PackedEncoder) -> None:
    with (
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
    ):
        esm2.embed(UNITS)
    assert pass_work(esm2, UNITS, 2048).flops == counter.get_total_flops()


def test_attention_grows_with_the_square_of_the_length(esm2: PackedEncoder) -> None:
    flops = [pass_work(esm2, [("A" * (length - 2),)], 2048).flops for length in (100, 200, 300)]
    # A second difference is free of what is linear: 4 W n^2 in each of 6 blocks.
    assert flops[2] - 2 * flops[1] + flops[0] == 6 * 4 * 320 * 2 * 100**2


def test_each_batch_reads_the_weights_once(esm2: PackedEncoder) -> None:
    units: list[Unit] = [("A" * 50,), ("C" * 50,)]
    once, twice = (pass_work(esm2, units, budget) for budget in (100, 50))
    assert twice.flops == once.flops
    assert twice.traffic - once.traffic == 6 * 12 * 320**2 * 4


def test_only_the_blocks_that_an_embedding_needs_are_counted(esm2: PackedEncoder) -> None:
    third = build_backbone("random-esm2-8m-seed0", layers=(2,), precision="float32")
    assert pass_work(third, UNITS, 2048) * 3 == pass_work(esm2, UNITS, 2048)


def test_a_vocabulary_knows_the_length_of_a_unit(esm2: PackedEncoder) -> None:
    assert [esm2.vocabulary.length(unit) for unit in UNITS] == esm2.vocabulary.encode(UNITS).lengths


def test_rates_are_found_again() -> None:
    works = [Work(1e9, 1e6), Work(2e9, 5e7)]
    found = fitted(works, [work.flops * 1e-10 + work.traffic * 1e-9 for work in works])
    assert found.per_flop == pytest.approx(1e-10)
    assert found.per_byte == pytest.approx(1e-9)


def test_no_rate_is_negative() -> None:
    found = fitted([Work(1e9, 1e6), Work(1e9, 1e9)], [1.0, 0.9])
    assert found.per_byte == 0
    assert 0.85 < found.seconds(Work(1e9, 1e9)) < 1.05


def test_seconds_follow_the_work(esm2: PackedEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of a known speed is predicted, although only one block is timed."""

    def run(backbone: PackedEncoder, units: list[Unit]) -> tuple[Work, float]:
        work = pass_work(backbone, units, 10**9) * (1 / 6)
        return work, work.flops * 2e-9 + work.traffic * 1e-9

    monkeypatch.setattr(rates, "_run", run)
    work = pass_work(esm2, UNITS, 2048)
    expected = work.flops * 2e-9 + work.traffic * 1e-9
    assert predict_seconds(esm2, UNITS, "cpu") == pytest.approx(expected)
    assert predict_seconds(esm2, [], "cpu") == 0


@pytest.mark.parametrize("spec", ["residue", "random-esm2-8m-seed0"])
def test_a_probe_gives_seconds(spec: str) -> None:
    assert 0 < predict_seconds(build_backbone(spec), UNITS, "cpu", token_budget=64) < 60


def test_an_estimate_counts_what_the_store_lacks_and_writes_nothing(tmp_path: Path) -> None:
    store = tmp_path / "store"
    chains = ("ACDEFGHIKL", "MNPQRSTVWY", "AAAA")
    table = table_of([Complex("one", chains[:1], chains[1:2]), Complex("two", chains[:1], chains[2:])])

    def estimate(given: ComplexTable) -> tuple[int, int, int, float]:
        found = estimate_embedding(
            EmbeddingJob(data=given, backbone="random-esm2-8m-seed0", precision="float32", store=store)
        )
        assert (found.seconds > 0) == (found.missing > 0)
        return found.units, found.missing, found.residues, found.disk_bytes

    assert estimate(table) == (3, 3, 24, 24 * 320 * 2)
    assert not store.exists()
    embed(table.rows([True, False]), backbone="random-esm2-8m-seed0", precision="float32", store=store)
    assert estimate(table) == (3, 1, 4, 4 * 320 * 2)
    assert estimate(table.rows([True, False])) == (2, 0, 0, 0)


class Clock:
    """Time passes only in scans: 5 s at first, 1 s for a complex and 0.01 s for a mutant."""

    def __init__(self) -> None:
        self.now, self.seen = 0.0, set[object]()

    def scan(self, number: int, variants: list[object]) -> None:
        assert not self.seen & set(variants) or len(variants) <= 900
        self.now += (1.0 if self.seen else 6.0) + 0.01 * len(variants)
        self.seen |= set(variants)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([3000], 6 + 30), ([3000, 2000, 500], 6 + 20 + 1 + 30 + 1 + 5), ([50], 6.5), ([50, 50], 6.5 + 1.5)],
)
def test_a_scan_is_scaled_up_from_some_mutants(
    counts: list[int], expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(scan_estimate, "time", clock)
    monkeypatch.setattr(Clock, "perf_counter", lambda self: self.now, raising=False)
    variants = [[(number, place) for place in range(count)] for number, count in enumerate(counts)]
    assert scan_seconds(variants, clock.scan) == pytest.approx(expected)
    assert time.perf_counter() > 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "1 second"), (45, "45 seconds"), (150, "2.5 minutes"), (1e6, "11.6 days")]
)
def test_a_duration_is_written_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_embed_prints_an_estimate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, store = tmp_path / "complexes.csv", tmp_path / "store"
    data.write_text("id,ligand,receptor\none,ACDEFGHIKL,MNPQRSTVWY\n")
    main(["embed", str(data), "--backbone", "ppi-mini", "--store", str(store), "--estimate"])
    text = capsys.readouterr().out
    assert "2 of 2 units are not embedded yet (20 residues): about 1 second and " in text
    assert not store.exists()


def test_scan_prints_an_estimate(
    tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = tmp_path / "complexes.csv", tmp_path / "scan.csv"
    data.write_text("id,ligand,receptor\none,ACDEFGHIKL,MNPQRSTVWY\n")
    output.write_text("mine")
    main(["scan", str(data), "--model", str(model_path), "--alanine", "--output", str(output), "--estimate"])
    assert "19 mutants of 1 complex: about " in capsys.readouterr().out
    assert output.read_text() == "mine"
