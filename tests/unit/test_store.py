"""The store of embeddings: what comes back, what is refused, what is repaired."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import lmdb
import pytest
import torch
from tiny_backbone import TinyRandomBackbone

from ppi.backbones.base import Backbone, Unit
from ppi.embedding.engine import embed_units
from ppi.embedding.run import fill_store
from ppi.embedding.store import EmbeddingStore
from ppi.embedding.stores import format_stores, list_stores, prune_store
from ppi.errors import PpiWarning, StoreError

UNITS: list[Unit] = [("MKV",), ("WW", "C"), ("MKV",), ("A",)]


def filled(root: Path, backbone: Backbone) -> EmbeddingStore:
    store = EmbeddingStore(root, backbone)
    fill_store(store, backbone, UNITS, devices=["cpu"])
    return store


@pytest.mark.parametrize(
    ("computed", "kept", "error"), [(torch.bfloat16, "bfloat16", 0.0), (torch.float32, "float16", 1e-3)]
)
def test_what_was_stored_comes_back(tmp_path: Path, computed: torch.dtype, kept: str, error: float) -> None:
    backbone = TinyRandomBackbone(dtype=computed)
    with filled(tmp_path, backbone) as store:
        assert len(store) == 3
        assert store.header.dtype == kept
        rows = store.rows([UNITS[1], UNITS[0], UNITS[1]])
        expected = backbone.embed([UNITS[1], UNITS[0], UNITS[1]]).float()
        assert rows.dtype == torch.float32
        assert torch.allclose(rows, expected, rtol=error, atol=0)


def test_a_second_run_and_a_reader_compute_nothing(tmp_path: Path) -> None:
    filled(tmp_path, TinyRandomBackbone()).close()
    again = TinyRandomBackbone()
    with EmbeddingStore(tmp_path, again) as store:
        assert store.missing(UNITS) == []
        assert fill_store(store, again, UNITS, devices=["cpu"]) == 0
        assert fill_store(store, again, [*UNITS, ("YY",)], devices=["cpu"]) == 1
    assert again.embedded == 1


_READER = """
import sys
sys.path[:0] = {tests!r}
from test_store import TinyRandomBackbone, UNITS
from ppi.embedding.store import EmbeddingStore
with EmbeddingStore({root!r}, TinyRandomBackbone()) as store:
    for line in sys.stdin:
        print(len(store), float(store.rows(UNITS[:int(line)]).sum()), flush=True)
"""


def test_another_process_reads_while_this_one_writes(tmp_path: Path) -> None:
    backbone = TinyRandomBackbone()
    code = _READER.format(tests=[*map(str, Path(__file__).parents[:2])], root=str(tmp_path))
    command = [sys.executable, "-c", code]
    with (
        EmbeddingStore(tmp_path, backbone) as store,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader,
    ):
        assert reader.stdin is not None
        assert reader.stdout is not None
        for count in (1, 2):
            store.put([(UNITS[count - 1], backbone.embed([UNITS[count - 1]]))])
            reader.stdin.write(f"{count}\n")
            reader.stdin.flush()
            entries, total = reader.stdout.readline().split()
            assert int(entries) == count
            assert float(total) == pytest.approx(float(backbone.embed(UNITS[:count]).float().sum()), abs=1e-4)
        reader.stdin.close()


def test_backbones_do_not_share_a_store(tmp_path: Path) -> None:
    filled(tmp_path, TinyRandomBackbone()).close()
    with EmbeddingStore(tmp_path, TinyRandomBackbone(dtype=torch.float32)) as other:
        assert len(other) == 0
        with pytest.raises(StoreError, match=r"the embedding of MKV\.\.\. is not in the store"):
            other.rows([("MKV",)])
    assert [entry.units for entry in list_stores(tmp_path)] == [3, 0]


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    with filled(tmp_path, TinyRandomBackbone()) as store:
        header = store.folder / "store.json"
    header.write_text(header.read_text().replace('"format_version": 1', '"format_version": 0'))
    with pytest.raises(StoreError, match=r"the store belongs to \{'format_version': 0.*prune it"):
        EmbeddingStore(tmp_path, TinyRandomBackbone())
    header.write_text("{")
    with pytest.raises(StoreError, match="store"):
        EmbeddingStore(tmp_path, TinyRandomBackbone())


def test_a_store_that_cannot_be_made_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file.*--store, or PPI_CACHE .*names another folder"):
        EmbeddingStore(tmp_path / "file", TinyRandomBackbone())


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_damaged_entry_is_logged_and_computed_again(tmp_path: Path, damage: str) -> None:
    with filled(tmp_path, TinyRandomBackbone()) as store:
        folder = store.folder
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        key, value = next(iter(transaction.cursor()))
        changed = value[:-1] if damage == "cut" else value[:-1] + bytes([value[-1] ^ 1])
        transaction.put(key, changed)
    backbone = TinyRandomBackbone()
    with EmbeddingStore(tmp_path, backbone) as store:
        with pytest.raises(StoreError, match="is damaged"):
            store.rows(UNITS)
        with pytest.warns(PpiWarning, match=r"1 damaged embedding\(s\), which are computed again"):
            assert fill_store(store, backbone, UNITS, devices=["cpu"]) == 1
        assert torch.equal(store.rows(UNITS), TinyRandomBackbone().embed(UNITS).float())


def test_values_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    backbone = TinyRandomBackbone(dtype=torch.float32, scale=1e6)
    with EmbeddingStore(tmp_path, backbone) as store:
        with pytest.raises(StoreError, match="float16 cannot hold; --precision bfloat16 can"):
            fill_store(store, backbone, UNITS, devices=["cpu"])
        assert len(store) == 0


def test_a_full_disk_is_one_error_and_keeps_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = TinyRandomBackbone(dim=4096)
    # As little room as LMDB needs to start: it then says what a full disk says.
    monkeypatch.setattr("ppi.embedding.environments._MAP_SIZES", (160 * 1024,))
    units: list[Unit] = [(letter * 3,) for letter in "ACDEFGHIKLMNPQRSTVWY"]
    with EmbeddingStore(tmp_path, backbone) as store:
        with pytest.raises(StoreError, match="full"):
            fill_store(store, backbone, units, devices=["cpu"], token_budget=3)
        assert 0 < len(store) < len(units)
        assert len(store.missing(units)) == len(units) - len(store)


def test_too_little_room_is_an_error_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = TinyRandomBackbone()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with (
        EmbeddingStore(tmp_path, backbone) as store,
        pytest.raises(StoreError, match=r"108 B are needed, 10 B are free"),
    ):
        fill_store(store, backbone, UNITS, devices=["cpu"])
    assert backbone.embedded == 0


def test_list_and_prune(tmp_path: Path) -> None:
    with filled(tmp_path, TinyRandomBackbone()) as store:
        name = store.folder.name
    assert name.startswith("tiny-random-v1-torch.bfloat16-")
    (entry,) = list_stores(tmp_path)
    assert (entry.name, entry.units) == (name, 3)
    assert entry.size > 0
    assert f"3 units  {name}" in format_stores(tmp_path)
    with pytest.raises(StoreError, match=f"no store 'absent'; there are {name}"):
        prune_store(tmp_path, "absent")
    with pytest.raises(StoreError, match="no store"):
        prune_store(tmp_path, "../" + tmp_path.name + "/" + name)
    prune_store(tmp_path, name)
    assert list_stores(tmp_path) == []
    assert "0 B in 0 store(s)" in format_stores(tmp_path)


def test_a_store_that_was_cut_off_is_refused_and_listed(tmp_path: Path) -> None:
    filled(tmp_path, TinyRandomBackbone(dim=4096)).close()
    with filled(tmp_path, TinyRandomBackbone(dim=4)) as sound:
        pass
    (data,) = (path for path in tmp_path.glob("*/data.mdb") if path.parent != sound.folder)
    data.write_bytes(data.read_bytes()[:12_288])
    with pytest.raises(StoreError, match="is truncated; `ppi embed --prune"):
        EmbeddingStore(tmp_path, TinyRandomBackbone(dim=4096))
    problems = {entry.name: entry.problem for entry in list_stores(tmp_path)}
    assert problems[sound.folder.name] == ""
    assert "truncated" in problems[data.parent.name]
    assert "cannot be read" in format_stores(tmp_path)
    prune_store(tmp_path, data.parent.name)
    assert [entry.name for entry in list_stores(tmp_path)] == [sound.folder.name]


def test_the_header_says_what_is_in_it(tmp_path: Path) -> None:
    with filled(tmp_path, TinyRandomBackbone()) as store:
        header = json.loads((store.folder / "store.json").read_text())
    assert header == {
        "format_version": 1,
        "identity": "tiny_random/v1 torch.bfloat16",
        "dim": 6,
        "dtype": "bfloat16",
    }


def test_units_are_embedded_once_longest_first() -> None:
    order = [unit for batch in embed_units(TinyRandomBackbone(), UNITS, token_budget=3) for unit, _ in batch]
    assert order == [("MKV",), ("WW", "C"), ("A",)]
