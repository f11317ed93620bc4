"""Make a backbone from its name.

A backbone is named by a *spec*: ``residue``; ``ppi-mini``, which is bundled; a published checkpoint
(``esm2-8m``), optionally with a revision of the hub (``esm2-8m@main``; its commit is recorded);
``random-esm2-8m-seed0`` for the same architecture with random weights; or the path of a folder or file with a
checkpoint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from heads.names import PartTable
from ppi.backbones.checkpoints import CHECKPOINTS, ESM3_FILES, Checkpoint, shipped_folder
from ppi.devices import Precision, native_dtype
from ppi.errors import BackboneError

if TYPE_CHECKING:
    from ppi.backbones.base import Backbone

RESIDUE = "residue"
#: Function that builds a backbone, by family.
FAMILIES = PartTable(
    "family of backbones",
    {
        "esm2": "ppi.backbones.esm2:build",
        "fair-esm": "ppi.backbones.fair_esm:build",
        "esmc": "ppi.backbones.esmc:build",
        "esm3": "ppi.backbones.esm3:build",
        "t5": "ppi.backbones.t5:build",
    },
)
#: Family by the ``model_type`` of a ``config.json``.
_MODEL_TYPES = {"esm": "esm2", "esmc": "esmc", "t5": "t5"}
_RANDOM = re.compile(r"random-(?P<name>.+)-seed(?P<seed>[0-9]{1,18})")


def build_backbone(spec: str, *, layers: Sequence[int] = (-1,), precision: Precision = "auto") -> Backbone:
    """Make a backbone, on the CPU and in evaluation mode.

    Parameters
    ----------
    spec
        Name of the backbone; see the module.
    layers
        Hidden layers to concatenate; by default the last one. Not for ``residue``.
    precision
        Precision of weights and computation. Not for ``residue``.

    Raises
    ------
    BackboneError
        If the name is unknown, or the weights cannot be loaded or are of another kind.
    """
    if spec == RESIDUE:
        from ppi.backbones.residue import ResidueBackbone

        if tuple(layers) != (-1,) or precision == "bfloat16":
            raise BackboneError(
                "the residue descriptors have one layer, in float32; leave layers and precision"
            )
        return ResidueBackbone()
    return _build_language_model(spec, layers, precision)


def check_spec(spec: str) -> str:
    """Return a spec if it names a known checkpoint or a path.

    Raises
    ------
    BackboneError
        If the name is unknown; the message has the nearest names.
    """
    random = _RANDOM.fullmatch(spec)
    name = random["name"] if random else spec.partition("@")[0]
    if spec == RESIDUE or name in CHECKPOINTS or (random is None and Path(spec).exists()):
        return spec
    near = get_close_matches(name, [RESIDUE, *CHECKPOINTS], n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join([RESIDUE, *CHECKPOINTS])}"
    raise BackboneError(
        f"unknown backbone {spec!r}; {hint} Also NAME@REVISION, random-NAME-seed0, or a checkpoint's path"
    )


def _build_language_model(spec: str, layers: Sequence[int], precision: Precision) -> Backbone:
    if not layers:
        raise BackboneError("no hidden layer is chosen; give at least one, -1 for the last")
    from ppi.backbones.loading import Source

    name, _, revision = check_spec(spec).partition("@")
    random = _RANDOM.fullmatch(spec)
    checkpoint = CHECKPOINTS.get(random["name"] if random else name)
    seed = int(random["seed"]) if random else None
    path = _place(name, revision, checkpoint, seed) if checkpoint else Path(spec)
    source = Source(
        # A model that was trained on a local checkpoint may be used from another folder.
        spec=spec if checkpoint else str(Path(spec).resolve()),
        checkpoint=checkpoint,
        path=path,
        revision=revision or None if checkpoint else None,
        seed=seed,
        layers=tuple(layers),
        dtype=native_dtype(precision),
    )
    family = checkpoint.family if checkpoint else _family_of(Path(spec))
    backbone: Backbone = FAMILIES.find(family)(source)
    return backbone


def _place(name: str, revision: str, checkpoint: Checkpoint, seed: int | None) -> Path | None:
    """Return the path of the weights; None for the hub or random ones."""
    if not checkpoint.ships or seed is not None:
        return None
    if revision:
        raise BackboneError(f"{name} is bundled and has no revisions; name it without @{revision}")
    return shipped_folder(name)


def _family_of(path: Path) -> str:
    if path.suffix == ".pt":
        return "fair-esm"
    if path.suffix == ".pth" or (path.is_dir() and list(path.glob(ESM3_FILES))):
        return "esm3"
    try:
        kind = json.loads((path / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackboneError(
            f"{path}: not a checkpoint; give a folder with a config.json that says its model_type, one "
            f"with {ESM3_FILES}, or a .pt file of fair-esm"
        ) from error
    if kind not in _MODEL_TYPES:
        supported = ", ".join(_MODEL_TYPES)
        raise BackboneError(f"{path}/config.json: model_type is {kind!r}; {supported} are supported")
    return _MODEL_TYPES[kind]
