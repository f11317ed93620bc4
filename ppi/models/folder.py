"""Save and load the model folder, which has everything that a prediction needs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_curation.files import atomic_folder, sha256_of
from ppi.backbones.checkpoints import shipped_folder
from ppi.errors import BackboneError, ModelError, SettingsError
from ppi.models.calibration import Calibration, read_calibration
from ppi.models.files import (
    CALIBRATION_FILE,
    CARD_FILE,
    CHAINS_FILE,
    COMPLEXES_FILE,
    CONFIG_FILE,
    LOG_FILE,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    WEIGHTS_HASH,
    check_hash,
    hub_folder,
    is_hub_name,
    read_chains,
    read_manifest,
    read_training_complexes,
    write_complexes,
)

if TYPE_CHECKING:
    import pandas as pd

    from ppi.complexes import Complex
    from ppi.models.affinity import AffinityModel

DEFAULT_MODEL = "default"


@dataclass(frozen=True)
class TrainedModel:
    """A model with its calibration, training complexes and manifest.

    Attributes
    ----------
    name
        Name of the model in the ``model`` column of predictions.
    model
        Model in evaluation mode.
    calibration
        Calibration of its intervals.
    training_complexes
        Complexes that it was trained on; empty for a folder of an older version.
    training_chains
        Distinct sequences of the chains that it was trained on.
    manifest
        Record of how the model was made.
    """

    name: str
    model: AffinityModel
    calibration: Calibration
    training_complexes: tuple[Complex, ...]
    training_chains: frozenset[str]
    manifest: dict[str, Any]


def save_model(
    path: str | os.PathLike[str],
    model: AffinityModel,
    *,
    calibration: Calibration,
    training_complexes: Sequence[Complex],
    training_log: pd.DataFrame,
    manifest: dict[str, Any],
    card: str,
) -> TrainedModel:
    """Write a model folder, and return what `load_model` reads from it.

    Parameters
    ----------
    path
        Folder to write.
    model
        Trained model, on the CPU and in evaluation mode; see `AffinityModel.finish_training`.
    calibration
        Calibration of its intervals.
    training_complexes
        Complexes that it was trained on.
    training_log
        One row per epoch and member.
    manifest
        Record of how the model was made; the SHA-256 of the weights is added.
    card
        Text of the model card.

    Raises
    ------
    data_curation.errors.OutputError
        If the folder cannot be written.
    """
    with atomic_folder(path) as folder:
        model._save_pretrained(folder)
        manifest = {**manifest, WEIGHTS_HASH: sha256_of(folder / WEIGHTS_FILE)}
        (folder / CALIBRATION_FILE).write_text(json.dumps(asdict(calibration), indent=2) + "\n")
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2) + "\n")
        (folder / CARD_FILE).write_text(card)
        training_log.to_csv(folder / LOG_FILE, index=False)
        write_complexes(folder, training_complexes)
    complexes = tuple(training_complexes)
    return TrainedModel(
        Path(path).absolute().name, model, calibration, complexes, _chains(complexes), manifest
    )


def load_model(path: str | os.PathLike[str] = DEFAULT_MODEL) -> TrainedModel:
    """Load a model folder, the bundled model, or a model from the Hugging Face hub.

    Parameters
    ----------
    path
        A model folder; ``default`` for the bundled model; or OWNER/NAME, or
        OWNER/NAME@REVISION, for a model on the hub, if there is no folder of that name.

    Raises
    ------
    ModelError
        If the folder is missing or incomplete, of another format, or its weights do not fit, are damaged or
        are not finite; or if the hub has no such model or cannot be reached.
    """
    folder = find_folder(path)
    old = not (folder / COMPLEXES_FILE).is_file() and (folder / CHAINS_FILE).is_file()
    trained_on = CHAINS_FILE if old else COMPLEXES_FILE
    needed = (CONFIG_FILE, WEIGHTS_FILE, CALIBRATION_FILE, trained_on, MANIFEST_FILE)
    absent = [name for name in needed if not (folder / name).is_file()]
    if absent:
        if (folder / CONFIG_FILE).is_file() and '"kind": "adapted"' in (folder / CONFIG_FILE).read_text():
            raise ModelError(
                f"{folder}: this is the folder of an adapted model, which `ppi predict` and `ppi suggest` "
                "read (ppi.load_adapted in Python)"
            )
        raise ModelError(f"{folder}: this is not a model folder, because it lacks {', '.join(absent)}")
    manifest = read_manifest(folder)
    check_hash(folder, manifest)
    complexes = () if old else read_training_complexes(folder)
    chains = frozenset(read_chains(folder)) if old else _chains(complexes)
    model = _read_model(folder)
    calibration = read_calibration(folder / CALIBRATION_FILE)
    _check_backbone(folder, model.backbone.identity, manifest["backbone_identity"])
    name = manifest["name"] if folder == _shipped() else Path(path).absolute().name
    return TrainedModel(name, model, calibration, complexes, chains, manifest)


def _chains(complexes: Sequence[Complex]) -> frozenset[str]:
    return frozenset(chain for item in complexes for chain in item.chains)


def _read_model(folder: Path) -> AffinityModel:
    from pydantic import ValidationError
    from safetensors import SafetensorError

    from ppi.models.affinity import AffinityModel

    try:
        return AffinityModel.from_pretrained(str(folder))
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"{folder}/{CONFIG_FILE}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error
    except SettingsError as error:
        raise ModelError(f"{folder}/{CONFIG_FILE}: {error}") from error
    except BackboneError as error:
        raise ModelError(
            f"{folder}: cannot load the backbone. If a local checkpoint was moved, put its new path into "
            f"{CONFIG_FILE} (its content is verified): {error}"
        ) from error
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder}: cannot be loaded: {error}") from error


def _check_backbone(folder: Path, found: str, trained_on: str) -> None:
    if _without_dtype(found) != _without_dtype(trained_on):
        raise ModelError(f"{folder}: the heads were trained on {trained_on}, but the backbone is {found} now")


def _without_dtype(identity: str) -> str:
    # The data type depends on the machine.
    return identity.removesuffix(" float32").removesuffix(" bfloat16")


def find_folder(path: str | os.PathLike[str]) -> Path:
    """Return the folder with the files of a model; see `load_model`.

    Raises
    ------
    ModelError
        If there is no such folder, or the hub has no such model or cannot be reached.
    """
    if str(path) == DEFAULT_MODEL:
        return _shipped()
    folder = Path(path).absolute()
    if folder.is_dir():
        return folder
    if not folder.exists() and is_hub_name(str(path)):
        return hub_folder(str(path))
    raise ModelError(f"{path}: no such model folder (the shipped model is called {DEFAULT_MODEL!r})")


def _shipped() -> Path:
    return shipped_folder(DEFAULT_MODEL)
