"""The embedding engine: memory that runs out, several processes, and a kill in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tiny_backbone import TinyRandomBackbone
from torch import Tensor

from ppi.backbones.base import Unit
from ppi.backbones.registry import build_backbone
from ppi.embedding.elsewhere import open_workers
from ppi.embedding.engine import embed_units
from ppi.embedding.here import CPU_BUDGET, default_budget
from ppi.embedding.store import EmbeddingStore
from ppi.engines import ray as ray_engine
from ppi.errors import BackboneError, InputError, PpiWarning, SettingsError

UNITS: list[Unit] = [("ACDEFGHIKL"[: 1 + n % 10] * (1 + n % 3),) for n in range(40)]


class SmallMemory(TinyRandomBackbone):
    """Runs out of memory above 12 residues."""

    def embed(self, units: Sequence[Unit]) -> Tensor:
        if sum(len(chain) for unit in units for chain in unit) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().embed(units)


def embedded(*arguments: object, **options: object) -> dict[Unit, Tensor]:
    batches = embed_units(*arguments, **options)
    return {unit: values for batch in batches for unit, values in batch}


def test_out_of_memory_halves_the_budget_and_goes_on() -> None:
    units = [unit for unit in UNITS if len(unit[0]) <= 12]
    with pytest.warns(PpiWarning, match="out of memory with .* residues in a batch; continuing with"):
        found = embedded(SmallMemory(), units, token_budget=50)
    expected = embedded(TinyRandomBackbone(), units)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[unit], expected[unit]) for unit in expected)
    with pytest.raises(BackboneError, match="a unit of 13 residues alone does not fit"):
        embedded(SmallMemory(), [("A" * 13,)], token_budget=50)


@pytest.mark.slow
def test_processes_give_what_one_gives() -> None:
    backbone = build_backbone("random-esm2-8m-seed0", layers=(2, -1), precision="bfloat16")
    one = embedded(backbone, UNITS, token_budget=40)
    two = embedded(backbone, UNITS, token_budget=40, devices=["cpu", "cpu"])
    assert list(two) == list(one)
    assert all(torch.equal(two[unit], one[unit]) for unit in one)


def test_a_process_that_cannot_start_is_one_error() -> None:
    with pytest.raises(BackboneError, match="a process that embeds on one of cpu, cpu ended unexpectedly"):
        embedded(TinyRandomBackbone(), UNITS, devices=["cpu", "cpu"])


def test_workers_of_an_engine_are_checked() -> None:
    with open_workers("local", "cpu", None) as workers:
        assert workers is None
    with pytest.raises(SettingsError, match="workers is 2, but with the engine 'local' each device has one"):
        open_workers("local", "cpu", 2).__enter__()


def test_a_remote_engine_takes_no_single_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "find_spec", lambda _: True)
    with pytest.raises(SettingsError, match="device is 'cuda:1'; with the engine 'ray' choose auto, cpu or"):
        open_workers("ray", "cuda:1", None).__enter__()


def test_a_budget_without_room_is_refused() -> None:
    for budget in (0, -5):
        with pytest.raises(InputError, match=f"the token budget is {budget}"):
            embedded(TinyRandomBackbone(), UNITS, token_budget=budget)


def test_nothing_to_embed() -> None:
    assert embedded(TinyRandomBackbone(), []) == {}
    assert default_budget(TinyRandomBackbone(), "cpu") == CPU_BUDGET


_SLOW_RUN = """
import sys, time
from pathlib import Path
sys.path[:0] = {tests!r}
from test_engine import UNITS
from tiny_backbone import TinyRandomBackbone
from ppi.embedding.run import fill_store
from ppi.embedding.here import CPU_BUDGET, default_budget
from ppi.embedding.store import EmbeddingStore

class Slow(TinyRandomBackbone):
    def embed(self, units):
        time.sleep(0.05)
        return super().embed(units)

with EmbeddingStore({root!r}, Slow()) as store:
    print("started", flush=True)
    fill_store(store, Slow(), UNITS, devices=["cpu"], token_budget=10)
"""


def test_a_killed_run_loses_the_batch_in_flight_only(tmp_path: Path) -> None:
    code = _SLOW_RUN.format(tests=[*map(str, Path(__file__).parents[:2])], root=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "started\n"
        time.sleep(0.5)
        os.kill(run.pid, signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    backbone = TinyRandomBackbone()
    distinct = set(UNITS)
    with EmbeddingStore(tmp_path, backbone) as store:
        missing = store.missing(distinct)
        kept = distinct - set(missing)
        assert kept
        assert missing
        # Whole batches, in the order of the run: longest first.
        assert min(len(unit[0]) for unit in kept) >= max(len(unit[0]) for unit in missing)
        assert torch.equal(store.rows(sorted(kept)), backbone.embed(sorted(kept)).float())
        store.put([(unit, backbone.embed([unit])) for unit in missing])
        assert store.missing(distinct) == []


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_gives_what_the_cpu_gives() -> None:
    units: list[Unit] = [("MKVLAW" * n, "GGS") for n in (1, 7, 30)]
    exact = embedded(build_backbone("random-esm2-8m-seed0", precision="float32"), units)
    for precision, error in (("float32", 1e-3), ("bfloat16", 2e-2)):
        backbone = build_backbone("random-esm2-8m-seed0", precision=precision)
        for unit, values in embedded(backbone, units, devices=["cuda"]).items():
            assert (values.float() - exact[unit]).norm() < error * exact[unit].norm()
