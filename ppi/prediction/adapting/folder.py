"""The folder of an adapted model: measured table, arrays, configuration and manifest; no pickles."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from data_curation.errors import OutputError
from data_curation.files import atomic_folder, sha256_of
from ppi.complexes import CHAIN_SEPARATOR, Complex, split_side
from ppi.effects.model import EffectModel
from ppi.errors import InputError, ModelError
from ppi.models.files import (
    CARD_FILE,
    CONFIG_FILE,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    WEIGHTS_HASH,
    check_file_hash,
    read_json_object,
)
from ppi.prediction.adapting.adapted import AdaptedComplex
from ppi.prediction.adapting.describer import EffectDescriber
from ppi.prediction.adapting.kernel import TERMS
from ppi.prediction.adapting.model import AdaptedModel
from ppi.prediction.adapting.observed import Observed
from ppi.prediction.adapting.scales import Observations, Scales
from ppi.prediction.adapting.summary import card_text
from ppi.prediction.adapting.validation import validation_of
from ppi.provenance import code_provenance

MEASURED_FILE, VALIDATION_FILE = "measured.csv", "validation.json"
#: What `config.json` calls a folder of this kind.
KIND = "adapted"
_FORMAT = 1
#: Files whose SHA-256 the manifest has, with its key and what they hold.
_HASHED = {
    WEIGHTS_FILE: (WEIGHTS_HASH, "weights"),
    MEASURED_FILE: ("measured_sha256", "measurements"),
    CONFIG_FILE: ("config_sha256", "settings"),
}


def is_adapted(path: object) -> bool:
    """Say whether a path is the folder of an adapted model."""
    if not isinstance(path, (str, os.PathLike)):
        return False
    try:
        content = json.loads((Path(path) / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("kind") == KIND


def card_of(path: str | os.PathLike[str]) -> str:
    """Return the card of an adapted model.

    Raises
    ------
    ModelError
        If it is missing.
    """
    try:
        return (Path(path) / CARD_FILE).read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{path}: its card {CARD_FILE} cannot be read: {error.strerror}") from error


def check_new_folder(path: str | os.PathLike[str]) -> Path:
    """Return the path if nothing would be overwritten.

    Raises
    ------
    OutputError
        If the folder exists and holds files.
    """
    target = Path(path)
    if target.is_dir() and any(target.iterdir()):
        raise OutputError(f"{path}: the folder exists and is not empty; name another one, or remove it")
    return target


def save_adapted(path: str | os.PathLike[str], model: AdaptedModel) -> None:
    """Write a folder that `load_adapted` reads.

    Raises
    ------
    OutputError
        If it cannot be written, or exists and holds files.
    """
    check_new_folder(path)
    arrays: dict[str, np.ndarray] = {}
    tables, targets = [], []
    for number, (name, each) in enumerate(model.targets.items()):
        tables.append(each.measured.assign(target=name))
        targets.append(_described(name, each))
        arrays |= {f"{number}.{key}": array for key, array in _arrays(each).items()}
    config = {"kind": KIND, "format": _FORMAT, "base": dict(model.base), "targets": targets}
    scores = {name: each.as_dict() for name, each in model.validations.items()}
    with atomic_folder(path) as folder:
        save_file(arrays, folder / WEIGHTS_FILE)
        pd.concat(tables).to_csv(folder / MEASURED_FILE, index=False)
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=1) + "\n")
        (folder / VALIDATION_FILE).write_text(json.dumps(scores, indent=1) + "\n")
        hashes = {key: sha256_of(folder / file) for file, (key, _) in _HASHED.items()}
        manifest = {"base": dict(model.base), **hashes, **code_provenance()}
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n")
        (folder / CARD_FILE).write_text(card_text(model))


def load_adapted(
    path: str | os.PathLike[str], *, effects: EffectModel | None = None, device: str = "auto"
) -> AdaptedModel:
    """Load an adapted model.

    Parameters
    ----------
    path
        Its folder.
    effects
        The model of mutation effects that it started from; by default that in the package.
    device
        See `ppi.prediction.adapting.adapt.adapt`.

    Raises
    ------
    ModelError
        If the folder is missing, incomplete, damaged or of another kind, or the model of mutation effects is
        another one.
    """
    folder = Path(path)
    if not is_adapted(folder):
        raise ModelError(f"{path}: no folder of an adapted model; ppi adapt makes one")
    config, manifest = read_json_object(folder / CONFIG_FILE), read_json_object(folder / MANIFEST_FILE)
    _check(folder, config, manifest)
    model = EffectModel.load(device=device, on_disk=False) if effects is None else effects
    _check_base(folder, config, model)
    try:
        arrays = load_file(folder / WEIGHTS_FILE)
        table = pd.read_csv(folder / MEASURED_FILE, dtype=str, keep_default_na=False)
        targets = {
            target["name"]: _target(
                target,
                table[table["target"] == target["name"]],
                {
                    key.partition(".")[2]: a
                    for key, a in arrays.items()
                    if key.partition(".")[0] == str(number)
                },
                model,
            )
            for number, target in enumerate(config["targets"])
        }
        validations = {
            name: validation_of(scores) for name, scores in read_json_object(folder / VALIDATION_FILE).items()
        }
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, InputError) as error:
        raise ModelError(f"{folder}: its files do not belong together: {error}; adapt it again") from error
    return AdaptedModel(targets, validations, config["base"], folder.absolute().name)


def _described(name: str, model: AdaptedComplex) -> dict[str, Any]:
    observed, scales = model.observed, model.posterior.scales
    return {
        "name": name,
        "reference": {
            "id": model.wild.id,
            "ligand": CHAIN_SEPARATOR.join(model.wild.ligand),
            "receptor": CHAIN_SEPARATOR.join(model.wild.receptor),
            "chain_names": {side: list(names) for side, names in model.chain_names.items()},
        },
        "column": observed.column,
        "unit": observed.unit,
        "squares": observed.squares,
        "freedom": observed.freedom,
        "scales": dict(zip(TERMS, scales.terms.tolist(), strict=True)) | {"noise": scales.noise},
    }


def _arrays(model: AdaptedComplex) -> dict[str, np.ndarray]:
    observations, observed = model.posterior.observations, model.observed
    arrays = {
        "value": observations.value,
        "variance": observations.variance,
        "measured": observed.value,
        "side": observed.side.astype(np.int64),
        "replicates": observed.replicates.astype(np.int64),
    }
    # Arrays with gaps in memory would be written wrongly.
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _target(
    config: Mapping[str, Any], table: pd.DataFrame, arrays: Mapping[str, np.ndarray], model: EffectModel
) -> AdaptedComplex:
    complexes = tuple(
        Complex(name, split_side(ligand), split_side(receptor))
        for name, ligand, receptor in zip(table["id"], table["ligand"], table["receptor"], strict=True)
    )
    observed = Observed(
        complexes,
        arrays["measured"],
        arrays["side"],
        arrays["replicates"],
        config["squares"],
        config["freedom"],
        config["column"],
        config["unit"],
    )
    observations: Observations = replace(
        observed.observations, value=arrays["value"], variance=arrays["variance"]
    )
    scales = Scales(np.array([config["scales"][term] for term in TERMS]), config["scales"]["noise"])
    reference = config["reference"]
    wild = Complex(reference["id"], split_side(reference["ligand"]), split_side(reference["receptor"]))
    describer = EffectDescriber(model, wild)
    # Models of earlier versions have no names of chains.
    names = {side: tuple(given) for side, given in reference.get("chain_names", {}).items()}
    return AdaptedComplex(
        wild,
        observed,
        describer,
        fitted=(observations, scales),
        name=config["name"],
        chain_names=names,
    )


def _check(folder: Path, config: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    if config.get("format") != _FORMAT:
        raise ModelError(f"{folder}: made by another version of ppi; adapt it again")
    for file, (key, what) in _HASHED.items():
        check_file_hash(folder / file, manifest.get(key), what)


def _check_base(folder: Path, config: Mapping[str, Any], model: EffectModel) -> None:
    recorded, found = config["base"].get(WEIGHTS_HASH), str(model.manifest.get(WEIGHTS_HASH))
    if recorded != found:
        raise ModelError(
            f"{folder}: it starts from a model of mutation effects with the SHA-256 {recorded}, but "
            f"that here has {found}; adapt it again with this version of ppi"
        )
