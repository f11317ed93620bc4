"""Describe a model folder in words, from its manifest, model card and other files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ppi.datasets import SHIPPED_DATASET
from ppi.models.calibration import Calibration
from ppi.models.files import CARD_FILE, WEIGHTS_HASH
from ppi.models.folder import DEFAULT_MODEL, TrainedModel, find_folder, load_model

_NOT_RECORDED = "not recorded"
_LIMITS = "What it cannot do"
#: Packages whose versions the description shows.
_PACKAGES = ("ppi-affinity", "torch", "scikit-learn")


def describe_model(path: str | os.PathLike[str] = DEFAULT_MODEL) -> str:
    """Return a description of a model, its training data and its scores, as plain text.

    Parameters
    ----------
    path
        See `ppi.models.folder.load_model`.

    Raises
    ------
    ppi.errors.ModelError
        If the folder is missing, incomplete or damaged.
    """
    return describe_loaded(load_model(path), find_folder(path))


def describe_loaded(trained: TrainedModel, folder: Path) -> str:
    """Return the description of a model that is loaded from a folder; see `describe_model`."""
    sections = {
        "Model": _model(trained, folder),
        "Trained on": _data(trained),
        "Scores": _scores(trained),
        "Interval": _interval(trained.calibration),
        "Limits": _limits(folder),
        "Licence": _licence(trained),
        "Made with": _versions(trained.manifest),
    }
    return "\n\n".join("\n".join([title, *lines]) for title, lines in sections.items()) + "\n"


def _model(trained: TrainedModel, folder: Path) -> Iterator[str]:
    config, model = trained.model.config, trained.model
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    swap = "no difference" if model.swap_invariant else "perhaps a difference"
    yield _line("name", trained.name)
    yield _line("folder", f"{folder} ({size / 1e6:.1f} MB)")
    tuned = "frozen" if config.tuning.frozen else f"trained, {config.tuning.method}"
    yield _line("backbone", f"{config.backbone} ({tuned}), layers {', '.join(map(str, config.layers))}")
    yield _line("head", f"{config.head}, mixer {config.mixer}, pooling {config.pooling}")
    yield _line("read-out", f"{config.readout}, {config.members} member(s)")
    yield _line("exchanging the sides", f"makes {swap}")
    yield _line("residues at once", f"at most {model.backbone.max_residues:,}")
    yield _line("weights SHA-256", trained.manifest.get(WEIGHTS_HASH, _NOT_RECORDED))


def _data(trained: TrainedModel) -> Iterator[str]:
    manifest = trained.manifest
    data = manifest.get("data", {})
    yield _line("data set", data.get("name", _NOT_RECORDED))
    yield _line("split", data.get("split", _NOT_RECORDED))
    yield _line("complexes", _count(manifest, "training_complexes"))
    yield _line("validation", _count(manifest, "validation_complexes"))
    yield _line("distinct chains", f"{len(trained.training_chains):,}")
    yield _line("data SHA-256", manifest.get("data_sha256", _NOT_RECORDED))
    yield _line("seed", manifest.get("settings", {}).get("seed", _NOT_RECORDED))


def _scores(trained: TrainedModel) -> Iterator[str]:
    scores: Mapping[str, float] = trained.manifest.get("validation", {})
    found = ", ".join(f"{name} {value:.3f}" for name, value in scores.items() if np.isfinite(value))
    yield _line("validation", found or _NOT_RECORDED)
    yield _line("test", "see the model card, README.md in the folder, or run `ppi evaluate`")


def _interval(calibration: Calibration) -> Iterator[str]:
    yield f"  {calibration.description.removeprefix('Interval: ')}"
    if calibration.anchored_quantile is None:
        yield "  Predictions never start from measured neighbours."
    else:
        yield (
            "  Where a prediction starts from measured neighbours, it is "
            f"+- {calibration.anchored_quantile:.2f} * `pkd_std`."
        )


def _limits(folder: Path) -> Iterator[str]:
    text = (folder / CARD_FILE).read_text(encoding="utf-8") if (folder / CARD_FILE).is_file() else ""
    found = re.search(rf"^## {_LIMITS}\n+(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        yield "  The card names none; `ppi evaluate` says how well the model ranks complexes new to it."
        return
    yield from (f"  {line}" for line in found[1].strip().splitlines())


def _licence(trained: TrainedModel) -> Iterator[str]:
    yield _line("backbone", trained.model.backbone.licence)
    shipped = trained.manifest.get("data", {}).get("name") == SHIPPED_DATASET
    data = "CC-BY-4.0 (PPB-Affinity, SKEMPI 2.0; see LICENSE-DATA)" if shipped else "that of your own data"
    yield _line("training data", data)


def _versions(manifest: Mapping[str, Any]) -> Iterator[str]:
    packages = manifest.get("packages", {})
    yield _line("Python", manifest.get("python", _NOT_RECORDED))
    for name in _PACKAGES:
        yield _line(name, packages.get(name, _NOT_RECORDED))
    yield _line("git commit", manifest.get("git_commit") or _NOT_RECORDED)


def _count(manifest: Mapping[str, Any], key: str) -> str:
    return f"{manifest[key]:,}" if key in manifest else _NOT_RECORDED


def _line(name: str, value: object) -> str:
    return f"  {name:22s}{value}"
