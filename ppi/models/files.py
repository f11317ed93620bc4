"""The files of a model folder: their names, locations and checks before loading."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import snapshot_download
from safetensors import SafetensorError, safe_open

from data_curation.files import sha256_of
from ppi.complexes import CHAIN_SEPARATOR, Complex, split_side
from ppi.errors import InputError, ModelError
from ppi.models.config import ModelConfig
from ppi.models.readouts.names import NETWORK

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
MANIFEST_FILE, CARD_FILE, LOG_FILE = "manifest.json", "README.md", "training.csv"
CALIBRATION_FILE, COMPLEXES_FILE = "calibration.json", "training_complexes.parquet"
#: Name of the file in folders of older versions that replaces the training complexes.
CHAINS_FILE = "training_chains.txt.gz"
#: Key of the manifest with the SHA-256 of the weights file.
WEIGHTS_HASH = "weights_sha256"
#: Largest size of the unpacked training chains or complexes in bytes: this is enough for a million chains of
#: 500 residues.
LARGEST_CHAINS = 2**29
_COMPLEX_COLUMNS = ("id", "ligand", "receptor", "pkd")

#: A model on the Hugging Face hub: OWNER/NAME, or OWNER/NAME@REVISION.
_HUB_NAME = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w.-]+))?")
_HEAD_TENSOR = re.compile(r"heads\.([0-9]+)\.")


def is_hub_name(name: str) -> bool:
    """Return whether a name has the form of a model on the hub: OWNER/NAME, or OWNER/NAME@REVISION."""
    return _HUB_NAME.fullmatch(name) is not None


def hub_folder(name: str, **options: Any) -> Path:
    """Return the local folder of a model on the Hugging Face hub, downloaded if it is not in the cache.

    Parameters
    ----------
    name
        OWNER/NAME, or OWNER/NAME@REVISION, where the revision is a branch, a tag or a commit.
    options
        Further arguments of `huggingface_hub.snapshot_download`.

    Raises
    ------
    ModelError
        If there is no such model, or the hub cannot be reached and the model is not in the local cache.
    """
    found = _HUB_NAME.fullmatch(name)
    if found is None:
        raise ModelError(f"{name!r} is not the name of a model on the hub; write OWNER/NAME")
    if found["revision"]:
        options["revision"] = found["revision"]
    try:
        return Path(snapshot_download(found["name"], **options))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{name}: there is no such folder here, and no model of this name could be fetched from the "
            f"Hugging Face hub ({type(error).__name__}); check the name and the network"
        ) from error


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a model folder.

    Raises
    ------
    ModelError
        If the manifest is not readable JSON, or lacks the identity of the backbone.
    """
    path = folder / MANIFEST_FILE
    manifest = read_json_object(path)
    if "backbone_identity" not in manifest:
        raise ModelError(f"{path}: the key 'backbone_identity' is missing; was it written by an older ppi?")
    return manifest


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file of a model folder holds.

    Raises
    ------
    ModelError
        If the file cannot be read or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: it holds no JSON object; copy the model folder again")
    return content


def check_file_hash(path: Path, recorded: str | None, what: str) -> None:
    """Raise if a file of a model folder is missing, or its SHA-256 differs from that in the manifest.

    Parameters
    ----------
    path
        The file.
    recorded
        SHA-256 in the manifest.
    what
        What the file holds, in the plural, for the message.

    Raises
    ------
    ModelError
        If the file is missing or the hashes differ.
    """
    if not path.is_file():
        raise ModelError(f"{path.parent}: {path.name} is missing; copy the model folder again")
    found = sha256_of(path)
    if found != recorded:
        raise ModelError(
            f"{path}: the {what} are damaged or were replaced: their SHA-256 is {found}, but "
            f"{MANIFEST_FILE} has {recorded}; copy the model folder again"
        )


def check_hash(folder: Path, manifest: dict[str, Any]) -> None:
    """Raise if the SHA-256 of the weights differs from that in the manifest; an older manifest has none.

    Raises
    ------
    ModelError
        If the hashes differ.
    """
    recorded = manifest.get(WEIGHTS_HASH)
    if recorded is not None:
        check_file_hash(folder / WEIGHTS_FILE, recorded, "weights")


def check_members(folder: Path, config: ModelConfig) -> None:
    """Raise if the number of heads in the weights file differs from the configuration.

    Only the names of the tensors are read, so that the check takes no memory.

    Raises
    ------
    ModelError
        If the number differs, or the file is not in the safetensors format.
    """
    path = folder / WEIGHTS_FILE
    try:
        with safe_open(path, framework="numpy") as weights:
            names = list(weights.keys())
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be loaded: {error}") from error
    found = {int(match[1]) for name in names if (match := _HEAD_TENSOR.match(name))}
    # With a read-out, a head may have no weights.
    if found != set(range(config.heads)) and (config.readout == NETWORK or found):
        raise ModelError(
            f"{folder}: {CONFIG_FILE} says {config.heads} head(s), but {WEIGHTS_FILE} has the heads of "
            f"{len(found)}; the two files belong to different models"
        )


def write_complexes(folder: Path, complexes: Sequence[Complex]) -> None:
    """Write the complexes that a model was trained on; the same complexes give the same bytes."""
    table = pa.table(
        {
            "id": [item.id for item in complexes],
            "ligand": [CHAIN_SEPARATOR.join(item.ligand) for item in complexes],
            "receptor": [CHAIN_SEPARATOR.join(item.receptor) for item in complexes],
            "pkd": pa.array([item.pkd for item in complexes], pa.float64()),
        }
    )
    pq.write_table(table, folder / COMPLEXES_FILE, compression="zstd", compression_level=19)


def read_training_complexes(folder: Path) -> tuple[Complex, ...]:
    """Return the complexes that a model was trained on.

    Raises
    ------
    ModelError
        If the file is damaged, or unpacks to more than `LARGEST_CHAINS` bytes.
    """
    path = folder / COMPLEXES_FILE
    try:
        with pq.ParquetFile(path) as file:
            groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
            if sum(group.total_byte_size for group in groups) > LARGEST_CHAINS:
                raise ModelError(
                    f"{path}: the training complexes unpack to more than {LARGEST_CHAINS / 2**20:g} MiB, "
                    "which no model needs; copy the model folder again from its source"
                )
            columns = file.read(_COMPLEX_COLUMNS).to_pydict()
        rows = zip(*(columns[name] for name in _COMPLEX_COLUMNS), strict=True)
        return tuple(Complex(name, split_side(lig), split_side(rec), pkd) for name, lig, rec, pkd in rows)
    except (OSError, pa.ArrowException, KeyError, AttributeError, TypeError, InputError) as error:
        raise ModelError(f"{path}: cannot be loaded: {error}") from error


def read_chains(folder: Path) -> tuple[str, ...]:
    """Return the chains that a model of an older version was trained on.

    Raises
    ------
    ModelError
        If the file is damaged, or unpacks to more than `LARGEST_CHAINS` bytes.
    """
    path = folder / CHAINS_FILE
    try:
        with gzip.open(path) as file:
            content = file.read(LARGEST_CHAINS + 1)
        if len(content) > LARGEST_CHAINS:
            raise ModelError(
                f"{path}: the training chains unpack to more than {LARGEST_CHAINS / 2**20:g} MiB, which no "
                "model needs; copy the model folder again from its source"
            )
        return tuple(content.decode("ascii").split())
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise ModelError(f"{path}: cannot be loaded: {error}") from error
