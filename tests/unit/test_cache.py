"""Embeddings in memory and on disk: computed once, whatever the disk allows."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from tiny_backbone import TinyRandomBackbone

from ppi.backbones.base import Unit
from ppi.embedding import environments
from ppi.embedding.cache import EmbeddingCache
from ppi.embedding.store import EmbeddingStore
from ppi.errors import PpiWarning, StoreError

UNITS: list[Unit] = [("MKVLAW",), ("ACDEFGHIK", "LMN"), ("W",), ("YYG",)]


class Counting(TinyRandomBackbone):
    """Counts the units that it embeds."""

    def __init__(self) -> None:
        super().__init__(dim=8)
        self.seen: list[Unit] = []

    def embed(self, units: list[Unit]) -> torch.Tensor:  # type: ignore[override]
        self.seen += units
        return super().embed(units)


def cache_of(backbone: TinyRandomBackbone, folder: Path, **options: int) -> EmbeddingCache:
    return EmbeddingCache(backbone, "cpu", store=folder, **options)


def test_each_unit_is_computed_once_in_memory_and_on_disk(tmp_path: Path) -> None:
    backbone = Counting()
    first = cache_of(backbone, tmp_path)
    values = first.units(UNITS * 2).rows(UNITS)
    assert sorted(backbone.seen) == sorted(UNITS)
    assert torch.equal(first.units(UNITS).rows(UNITS), values)
    second = cache_of(backbone, tmp_path)  # two in one process
    assert torch.equal(second.units(UNITS).rows(UNITS), values)
    assert len(backbone.seen) == len(UNITS)
    first.close()
    assert torch.equal(second.units(UNITS).rows(UNITS), values)
    second.close()


def test_memory_is_bounded_and_what_was_given_stays(tmp_path: Path) -> None:
    backbone = Counting()
    cache = cache_of(backbone, tmp_path, memory_bytes=100)
    given = cache.units(UNITS)
    assert cache._bytes <= 100
    assert given.rows(UNITS).shape == (6 + 12 + 1 + 3, 8)
    cache.close()


def test_a_folder_that_cannot_be_written_warns_once_and_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = Counting()
    with EmbeddingStore(tmp_path, backbone) as store:
        store.put([(UNITS[0], backbone.embed([UNITS[0]]))])
        folder = store.folder
    backbone.seen.clear()

    real = environments._open

    def refuse(path: Path, *, readonly: bool = False) -> object:
        if not readonly:
            raise StoreError(f"{path}: read-only file system")
        return real(path, readonly=True)

    monkeypatch.setattr(environments, "_open", refuse)
    with pytest.warns(PpiWarning, match="cannot be written to disk, existing ones are used"):
        cache = cache_of(backbone, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.units(UNITS)
    assert UNITS[0] not in backbone.seen
    assert folder.is_dir()
    cache.close()


def test_no_folder_at_all_keeps_embeddings_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(PpiWarning, match="embeddings cannot be written to disk, they are kept in memory only"):
        cache = cache_of(TinyRandomBackbone(dim=8), tmp_path / "file")
    assert len(cache.units(UNITS)) == len(UNITS)


def test_a_disk_that_fills_up_warns_once_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    backbone = Counting()
    cache = cache_of(backbone, tmp_path)
    monkeypatch.setattr(EmbeddingStore, "put", full)
    with pytest.warns(PpiWarning, match="kept in memory only: the disk is full"):
        cache.units(UNITS[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(cache.units(UNITS)) == len(UNITS)
    assert sorted(backbone.seen) == sorted(UNITS)


def test_what_is_read_equals_what_is_computed(tmp_path: Path) -> None:
    backbone = TinyRandomBackbone(dim=8)
    computed = cache_of(backbone, tmp_path / "a").units(UNITS).rows(UNITS)
    cache_of(backbone, tmp_path / "b").units(UNITS)
    read = cache_of(backbone, tmp_path / "b").units(UNITS).rows(UNITS)
    assert torch.equal(computed, read)


def test_threads_compute_nothing_twice(tmp_path: Path) -> None:
    backbone = Counting()
    cache = cache_of(backbone, tmp_path)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda _: cache.units(UNITS).rows(UNITS), range(32)))
    assert all(torch.equal(one, rows[0]) for one in rows)
    assert len(backbone.seen) == len(UNITS)
    cache.close()
