"""Export embeddings for other programs as NPZ, HDF5 or Parquet, per residue or averaged."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from data_curation.files import atomic_file
from ppi.backbones.base import Unit
from ppi.embedding import Pool
from ppi.embedding.sources import UnitEmbeddings
from ppi.errors import InputError

SUFFIXES = (".npz", ".h5", ".parquet")
# Number of values in one row group of Parquet: 64 MiB.
_GROUP_VALUES = 2**24


class Item(NamedTuple):
    """An embedded unit: its key, its residues, and ``(L, D)`` or, pooled, ``(D,)`` float32 values."""

    key: str
    residues: str
    values: np.ndarray


def check_suffix(path: str | os.PathLike[str]) -> Path:
    """Return the path if embeddings can be written in the format of its suffix.

    Raises
    ------
    InputError
        If the suffix is unknown, or the package for it is not installed.
    """
    target = Path(path)
    if target.suffix not in SUFFIXES:
        raise InputError(f"{target}: unknown suffix {target.suffix!r}; use one of {', '.join(SUFFIXES)}")
    if target.suffix == ".h5":
        try:
            import h5py  # noqa: F401
        except ImportError as error:
            raise InputError(
                f"{target}: writing this file needs h5py: pip install 'ppi-affinity[hdf5]'"
            ) from error
    return target


def export(
    path: str | os.PathLike[str],
    units: Iterable[tuple[str, Unit]],
    embeddings: UnitEmbeddings,
    pool: Pool = "none",
) -> None:
    """Write embeddings unit by unit, in the format of the suffix.

    NPZ and HDF5 hold an array ``(L, D)`` under each key; pooled, an array ``keys`` and one ``embeddings``.
    Parquet has the columns ``key, position`` (from 1), ``residue, embedding``; pooled, ``key, embedding``.

    Parameters
    ----------
    path
        Path that ends in ``.npz``, ``.h5`` or ``.parquet``.
    units
        Units with their keys.
    embeddings
        Embeddings of these units.
    pool
        Pooling of the residues of a unit.

    Raises
    ------
    InputError
        If the suffix is unknown, or the package for it is not installed.
    """
    target = check_suffix(path)
    write = {".npz": _write_npz, ".h5": _write_hdf5, ".parquet": _write_parquet}[target.suffix]
    with atomic_file(target) as temporary:
        write(temporary, _items(units, embeddings, pool), pool)


def _items(units: Iterable[tuple[str, Unit]], embeddings: UnitEmbeddings, pool: Pool) -> Iterator[Item]:
    for key, unit in units:
        values = embeddings.rows([unit])
        yield Item(key, "".join(unit), (values if pool == "none" else values.mean(dim=0)).numpy())


def _write_npz(path: Path, items: Iterator[Item], pool: Pool) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in _arrays(items, pool):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, values, allow_pickle=False)


def _write_hdf5(path: Path, items: Iterator[Item], pool: Pool) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, values in _arrays(items, pool):
            if values.dtype.kind == "U":
                file.create_dataset(name, data=values.tolist(), dtype=h5py.string_dtype())
            else:
                file[name] = values


def _arrays(items: Iterator[Item], pool: Pool) -> Iterator[tuple[str, np.ndarray]]:
    if pool == "none":
        yield from ((item.key, item.values) for item in items)
        return
    pooled = list(items)
    yield "keys", np.array([item.key for item in pooled])
    yield "embeddings", np.stack([item.values for item in pooled])


def _write_parquet(path: Path, items: Iterator[Item], pool: Pool) -> None:
    first = next(items)
    width = first.values.shape[-1]
    embedding = pa.list_(pa.float32(), width)
    fields = [("key", pa.string()), ("embedding", embedding)]
    if pool == "none":
        fields[1:1] = [("position", pa.int32()), ("residue", pa.string())]
    schema = pa.schema(fields)
    with pa.parquet.ParquetWriter(path, schema) as writer:
        group: list[Item] = []
        values = 0
        for item in chain([first], items):
            group.append(item)
            values += item.values.size
            if values >= _GROUP_VALUES:
                writer.write_table(_table(group, schema))
                group, values = [], 0
        if group:
            writer.write_table(_table(group, schema))


def _table(items: Sequence[Item], schema: pa.Schema) -> pa.Table:
    by_residue = "position" in schema.names
    rows = [len(item.residues) if by_residue else 1 for item in items]
    values = pa.array(np.concatenate([item.values.ravel() for item in items]))
    columns = {
        "key": pa.array([item.key for item, count in zip(items, rows, strict=True) for _ in range(count)]),
        "embedding": pa.FixedSizeListArray.from_arrays(values, type=schema.field("embedding").type),
    }
    if by_residue:
        columns["position"] = pa.array([n for count in rows for n in range(1, count + 1)], pa.int32())
        columns["residue"] = pa.array(list("".join(item.residues for item in items)))
    return pa.table([columns[name] for name in schema.names], schema=schema)
