"""The model folder: everything that a prediction needs, written whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_curation.files import atomic_folder
from ppi.backbones.checkpoints import shipped_folder
from ppi.errors import BackboneError, ModelError, SettingsError
from ppi.models.calibration import Calibration, read_calibration

if TYPE_CHECKING:
    import pandas as pd

    from ppi.models.affinity import AffinityModel

DEFAULT_MODEL = "default"
MANIFEST_FILE, CARD_FILE, LOG_FILE = "manifest.json", "README.md", "training.csv"
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
CALIBRATION_FILE, CHAINS_FILE = "calibration.json", "training_chains.txt.gz"


@dataclass(frozen=True)
class TrainedModel:
    """A model with what was recorded beside it.

    Attributes
    ----------
    name
        Goes into the ``model`` column of predictions.
    model
        In evaluation mode.
    calibration
        Of its intervals.
    training_chains
        Distinct residues of the chains that it was trained on.
    manifest
        How it was made.
    """

    name: str
    model: AffinityModel
    calibration: Calibration
    training_chains: tuple[str, ...]
    manifest: dict[str, Any]


def save_model(
    path: str | os.PathLike[str],
    model: AffinityModel,
    *,
    calibration: Calibration,
    training_chains: Iterable[str],
    training_log: pd.DataFrame,
    manifest: dict[str, Any],
    card: str,
) -> None:
    """Write a model folder.

    Raises
    ------
    data_curation.errors.OutputError
        If it cannot be written.
    """
    with atomic_folder(path) as folder:
        model._save_pretrained(folder)
        (folder / CALIBRATION_FILE).write_text(json.dumps(asdict(calibration), indent=2) + "\n")
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2) + "\n")
        (folder / CARD_FILE).write_text(card)
        training_log.to_csv(folder / LOG_FILE, index=False)
        lines = "".join(f"{chain}\n" for chain in sorted(set(training_chains)))
        # No time stamp: the same model gives the same bytes.
        (folder / CHAINS_FILE).write_bytes(gzip.compress(lines.encode(), mtime=0))


def load_model(path: str | os.PathLike[str] = DEFAULT_MODEL) -> TrainedModel:
    """Load a model folder, or the model that ships in the package as ``default``.

    Raises
    ------
    ModelError
        If the folder is missing or incomplete, of another format, or its weights do not fit.
    """
    folder = _folder(path)
    needed = (CONFIG_FILE, WEIGHTS_FILE, CALIBRATION_FILE, CHAINS_FILE, MANIFEST_FILE)
    absent = [name for name in needed if not (folder / name).is_file()]
    if absent:
        raise ModelError(f"{folder}: not a model folder, it lacks {', '.join(absent)}")

    from pydantic import ValidationError
    from safetensors import SafetensorError

    from ppi.models.affinity import AffinityModel

    try:
        model = AffinityModel.from_pretrained(str(folder))
        calibration = read_calibration(folder / CALIBRATION_FILE)
        manifest = json.loads((folder / MANIFEST_FILE).read_text())
        trained_on = manifest["backbone_identity"]
        chains = gzip.decompress((folder / CHAINS_FILE).read_bytes()).decode().split()
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"{folder}/{CONFIG_FILE}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error
    except SettingsError as error:
        raise ModelError(f"{folder}/{CONFIG_FILE}: {error}") from error
    except BackboneError as error:
        raise ModelError(
            f"{folder}: its backbone cannot be had (if it is a local checkpoint that was moved, put the new "
            f"path into {CONFIG_FILE}; its content is checked): {error}"
        ) from error
    except KeyError as error:
        raise ModelError(f"{folder}/{MANIFEST_FILE}: there is no {error}") from error
    except (OSError, ValueError, TypeError, RuntimeError, EOFError, zlib.error, SafetensorError) as error:
        raise ModelError(f"{folder}: cannot be loaded: {error}") from error
    _check_backbone(folder, model.backbone.identity, trained_on)
    name = folder.name if folder != _shipped() else manifest["name"]
    return TrainedModel(name, model, calibration, tuple(chains), manifest)


def _check_backbone(folder: Path, found: str, trained_on: str) -> None:
    if _without_dtype(found) != _without_dtype(trained_on):
        raise ModelError(f"{folder}: the heads were trained on {trained_on}, but the backbone is {found} now")


def _without_dtype(identity: str) -> str:
    # The data type follows the machine.
    return identity.removesuffix(" float32").removesuffix(" bfloat16")


def _folder(path: str | os.PathLike[str]) -> Path:
    if str(path) == DEFAULT_MODEL:
        return _shipped()
    folder = Path(path).absolute()
    if not folder.is_dir():
        raise ModelError(f"{path}: no such model folder (the shipped model is called {DEFAULT_MODEL!r})")
    return folder


def _shipped() -> Path:
    return shipped_folder(DEFAULT_MODEL)
