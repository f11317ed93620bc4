"""Model folders: what is checked before and after loading, and models on the hub."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

import ppi
from data_curation.files import sha256_of
from ppi.complexes import Complex
from ppi.errors import ModelError
from ppi.models import files
from ppi.models.config import ModelConfig
from ppi.models.folder import load_model
from ppi.provenance import code_provenance


@pytest.fixture
def folder(tmp_path: Path, model_path: Path) -> Path:
    """A copy of a model folder, to be broken."""
    return Path(shutil.copytree(model_path, tmp_path / "model"))


def rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace_weights(folder: Path, change: Any) -> None:
    """Write changed weights as if the model had been saved with them."""
    path = folder / files.WEIGHTS_FILE
    state = {name: change(tensor) for name, tensor in load_file(path).items()}
    save_file(state, path)
    rewrite(folder / files.MANIFEST_FILE, weights_sha256=sha256_of(path))


@pytest.mark.parametrize("model", ["default", "tiny"])
def test_the_manifest_has_the_hash_of_the_weights(model: str, model_path: Path) -> None:
    path = model_path if model == "tiny" else Path(ppi.__file__).parent / "weights" / "default"
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["weights_sha256"] == sha256_of(path / "model.safetensors")
    assert load_model(path).manifest == manifest


def test_one_flipped_bit_is_found_and_an_older_folder_still_loads(folder: Path) -> None:
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-7] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match="the weights are damaged or were replaced: their SHA-256 is"):
        load_model(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["weights_sha256"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert len(load_model(folder).model.heads) == 2


@pytest.mark.parametrize("members", [1, 3, 1000])
def test_members_are_counted_before_a_head_is_built(
    folder: Path, members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelConfig, "build_head", lambda *_: pytest.fail("a head was built"))
    rewrite(folder / "config.json", members=members)
    with pytest.raises(ModelError, match=rf"says {members} head\(s\), but .* has the heads of 2"):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 10_000_000}, "members: Input should be less than or equal to 1000"),
        ({"label_std": float("inf")}, "label_std: Input should be a finite number"),
        ({"label_mean": float("nan")}, "label_mean: Input should be a finite number"),
        ({"label_std": 0}, "label_std: Input should be greater than 0"),
        ({"head": "pad"}, "cannot be loaded: .*another architecture"),
        ({"format_version": 9}, "format_version: Input should be 2"),
    ],
)
def test_unfit_configurations(folder: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(folder / "config.json", **changes)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_an_error(folder: Path, value: float) -> None:
    replace_weights(folder, lambda tensor: torch.full_like(tensor, value))
    with pytest.raises(ModelError, match=r"the weights heads\..* have values that are NaN or infinite"):
        load_model(folder)


def test_predictions_that_are_not_finite_are_an_error(folder: Path, table_path: Path) -> None:
    rewrite(folder / "config.json", label_std=1e308)
    with pytest.raises(ModelError, match="predicts a pKd that is NaN or infinite .its label_std is 1e.308"):
        ppi.predict(table_path, model=folder)


def test_training_chains_that_unpack_without_end_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGEST_CHAINS", 2**20)
    (folder / "training_complexes.parquet").unlink()  # as in a folder of an older version
    (folder / "training_chains.txt.gz").write_bytes(gzip.compress(b"A" * 2**20))
    assert load_model(folder).training_chains == {"A" * 2**20}
    (folder / "training_chains.txt.gz").write_bytes(gzip.compress(b"A" * (2**20 + 1)))
    with pytest.raises(ModelError, match="unpack to more than 1 MiB, which no model needs"):
        load_model(folder)
    (folder / "training_chains.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(ModelError, match="training_chains.txt.gz: cannot be loaded"):
        load_model(folder)


def test_training_complexes_are_kept_and_checked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complexes = (Complex("a", ("MKV", "LLW"), ("GGS",), 7.5), Complex("b", ("MKV",), ("MKW",)))
    files.write_complexes(folder, complexes)
    once = (folder / "training_complexes.parquet").read_bytes()
    files.write_complexes(folder, complexes)
    assert (folder / "training_complexes.parquet").read_bytes() == once
    assert load_model(folder).training_complexes == complexes
    monkeypatch.setattr(files, "LARGEST_CHAINS", 50)
    with pytest.raises(ModelError, match="training complexes unpack to more than"):
        load_model(folder)
    (folder / "training_complexes.parquet").write_bytes(b"no table")
    with pytest.raises(ModelError, match=r"training_complexes\.parquet: cannot be loaded"):
        load_model(folder)


def test_broken_manifests(folder: Path) -> None:
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(ModelError, match="the key 'backbone_identity' is missing; was it written by"):
        load_model(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match="manifest.json: cannot be read"):
        load_model(folder)


def test_a_model_on_the_hub_is_loaded_by_its_name(
    tmp_path: Path, model_path: Path, table_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = []

    def download(name: str, **options: Any) -> str:
        requests.append((name, options))
        return str(model_path)

    monkeypatch.setattr(files, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)
    loaded = load_model("someone/binder")
    assert loaded.name == "binder"
    assert np.array_equal(
        ppi.predict(table_path, model=loaded)["pkd"], ppi.predict(table_path, model=model_path)["pkd"]
    )
    load_model("someone/binder@v2")
    assert requests == [("someone/binder", {}), ("someone/binder", {"revision": "v2"})]
    # A folder of that name wins.
    shutil.copytree(model_path, tmp_path / "someone" / "binder")
    assert load_model("someone/binder").name == "binder"
    assert len(requests) == 2


@pytest.mark.parametrize("name", ["absent", "a/b/c", "/absent", "./absent", "someone/"])
def test_other_names_are_not_requested_from_the_hub(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "snapshot_download", lambda *_, **__: pytest.fail("the hub was requests"))
    with pytest.raises(ModelError, match="no such model folder"):
        load_model(name)


def test_a_hub_that_cannot_be_reached_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: Any, **__: Any) -> str:
        raise LocalEntryNotFoundError("Cannot find an appropriate cached snapshot.\nTry again online.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "snapshot_download", offline)
    with pytest.raises(
        ModelError, match="someone/binder: there is no such folder here, .*check the name and"
    ):
        load_model("someone/binder")


def test_the_versions_that_change_numbers_are_recorded() -> None:
    packages = code_provenance()["packages"]
    assert {"torch", "transformers", "tokenizers", "peft", "scikit-learn"} <= packages.keys()
