"""Backbones by name: what a spec may be, and what is said of one that is not."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import tiny_random_esm2

from ppi.backbones.checkpoints import CHECKPOINTS
from ppi.backbones.listing import backbone_table
from ppi.backbones.registry import build_backbone, check_spec
from ppi.devices import native_dtype
from ppi.errors import BackboneError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "tiny_random_esm2"
    tiny_random_esm2(num_hidden_layers=1).save_pretrained(path)
    return path


def test_names_are_known_and_near_ones_suggested() -> None:
    for spec in ("residue", "esm2-8m", "esm2-8m@abc", "random-ankh-base-seed12", "prott5-xl-u50"):
        assert check_spec(spec) == spec
    with pytest.raises(BackboneError, match=r"unknown backbone 'esm2-8'; did you mean esm2-8m"):
        check_spec("esm2-8")
    with pytest.raises(BackboneError, match="unknown backbone 'random-esm2-9m-seed0'; did you mean esm2-"):
        check_spec("random-esm2-9m-seed0")
    with pytest.raises(BackboneError, match="unknown backbone 'qqq'; there are residue, ppi-mini, esm2-8m"):
        check_spec("qqq")


def test_a_checkpoint_that_cannot_be_loaded_is_an_error_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for spec in ("esm2-8m", "ankh-base", "esm3-sm-open"):
        with pytest.raises(BackboneError, match=r"not in the local cache .*hf download .* --local-dir"):
            build_backbone(spec)


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the hub, with the checkpoint in place of ESM-2 8M, and no network."""
    cache = tmp_path / "hub"
    repository = cache / "models--facebook--esm2_t6_8M_UR50D"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    shutil.copytree(folder, repository / "snapshots" / COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    return repository


def test_the_hub_is_pinned_to_the_commit(
    hub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A folder named like the repository is not taken for it.
    (tmp_path / "facebook" / "esm2_t6_8M_UR50D").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    backbone = build_backbone("esm2-8m", precision="float32")
    assert backbone.spec == f"esm2-8m@{COMMIT}"
    assert backbone.identity == f"esm2-8m@{COMMIT} v1 layers 1 float32"
    assert build_backbone(backbone.spec, precision="float32").identity == backbone.identity
    assert build_backbone("esm2-8m@main").spec == backbone.spec
    with pytest.raises(BackboneError, match="not in the local cache"):
        build_backbone("esm2-8m@other")
    (hub_cache / "snapshots" / COMMIT / "model.safetensors").unlink()
    with pytest.raises(BackboneError, match="not in the local cache"):
        build_backbone("esm2-8m")


def test_a_relative_path_is_kept_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert build_backbone(folder.name).spec == str(folder)


def test_a_damaged_checkpoint_is_named(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(BackboneError, match=f"{folder}: not a checkpoint that can be loaded"):
        build_backbone(str(folder))
    (folder / "config.json").write_text('{"model_type": "esm"}')
    with pytest.raises(BackboneError, match=f"{folder}: not a checkpoint that can be loaded"):
        build_backbone(str(folder))


def test_residue_descriptors_take_no_options() -> None:
    for options in ({"layers": (0,)}, {"precision": "bfloat16"}):
        with pytest.raises(BackboneError, match="one layer, in float32"):
            build_backbone("residue", **options)
    with pytest.raises(BackboneError, match="no hidden layer"):
        build_backbone("random-esm2-8m-seed0", layers=())


def test_random_weights_follow_the_seed() -> None:
    units = [("MKVLA",)]
    with torch.inference_mode():
        first, again, other = (
            build_backbone(f"random-esm2-8m-seed{seed}").embed(units).float() for seed in (0, 0, 1)
        )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.1)
    identity = build_backbone("random-esm2-8m-seed0", layers=(1, -1)).identity
    assert re.match(r"random-esm2-8m-seed0 [0-9a-f]{16} v1 layers 1,6 ", identity)


def test_a_layer_that_is_not_there() -> None:
    with pytest.raises(BackboneError, match="has hidden layers 0 to 6 .-1 is the last., not 7"):
        build_backbone("random-esm2-8m-seed0", layers=(7,))


def test_identity_follows_the_content_of_a_folder(folder: Path) -> None:
    before = build_backbone(str(folder)).identity
    assert build_backbone(str(folder)).identity == before
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert build_backbone(str(folder)).identity != before


def test_foreign_weights_are_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["other.weight"] = weights.pop("encoder.layer.0.output.dense.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        BackboneError, match=r"lacks 1 of its tensors \(encoder.layer.0.output.dense.weight\)"
    ):
        build_backbone(str(folder))


def test_a_tensor_of_another_shape_is_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"] = torch.zeros(3)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        BackboneError, match=r"has another shape for 1 of its tensors \(encoder.layer.0.output.dense.bias"
    ):
        build_backbone(str(folder))


def test_folders_that_are_no_checkpoints(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackboneError, match=r"empty: not a checkpoint; give a folder with a config.json"):
        build_backbone(str(tmp_path / "empty"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "model.safetensors").unlink()
    with pytest.raises(BackboneError, match="not a checkpoint that can be loaded"):
        build_backbone(str(folder))
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(BackboneError, match="model_type is 'bert'; esm, esmc, t5 are supported"):
        build_backbone(str(folder))


def test_the_table_lists_every_name() -> None:
    table = backbone_table().set_index("name")
    assert list(table.index) == ["residue", *CHECKPOINTS]
    assert table.loc["esm2-650m", ["millions", "width", "layers"]].tolist() == [649, 1280, 33]
    assert table.loc["esm1b", "limit"] == 1022
    assert set(table["cached"]) <= {"yes", "no", "in the package"}


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    assert native_dtype("float32") == torch.float32
    assert native_dtype("bfloat16") == torch.bfloat16
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False)
    for native, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda native=native: native)
        assert native_dtype("auto") == expected
