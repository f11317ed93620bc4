"""Checkpoints of a run: one file with weights, optimiser moments and counters, written atomically."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from data_curation.files import atomic_file
from ppi.errors import ModelError, SettingsError
from ppi.pretraining.optimiser import MOMENTUM
from ppi.provenance import differences

_FORMAT = 1


@dataclass(frozen=True)
class RunState:
    """The progress of a run.

    Attributes
    ----------
    step, tokens, seconds
        Number of optimiser steps, number of tokens, and training time, over all parts of the run.
    decay_start
        Progress at which the learning rate begins to fall; see `ppi.pretraining.schedule`.
    decaying
        Whether the learning rate has begun to fall.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    decay_start: float = 1.0
    decaying: bool = False


def write_checkpoint(
    path: Path, tensors: Mapping[str, Tensor], state: RunState, *, corpus: str, settings: Mapping[str, Any]
) -> None:
    """Write a checkpoint; an existing file is replaced only when the new one is complete.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    described = {
        "format": _FORMAT,
        "state": dataclasses.asdict(state),
        "corpus": corpus,
        "settings": dict(settings),
    }
    on_cpu = {name: tensor.to("cpu").contiguous() for name, tensor in tensors.items()}
    content = save(on_cpu, metadata={"run": json.dumps(described)})
    with atomic_file(path) as unfinished:
        unfinished.write_bytes(content)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], RunState, dict[str, Any]]:
    """Read a checkpoint.

    Returns
    -------
    tuple
        Tensors, progress of the run, and settings with the key ``corpus`` added.

    Raises
    ------
    ModelError
        If there is no checkpoint, or it is damaged or of another version.
    """
    try:
        with safe_open(str(path), "pt") as file:
            run = json.loads((file.metadata() or {})["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        if run["format"] != _FORMAT:
            raise ValueError(f"the format is {run['format']}; this version reads {_FORMAT}")
        return tensors, RunState(**run["state"]), {**run["settings"], "corpus": run["corpus"]}
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a checkpoint of a pretraining ({error})") from error


def shrink_checkpoint(path: Path, output: Path) -> None:
    """Rewrite a checkpoint at a quarter of its size, to store it for a prolonged run.

    Weights are in float16, and the momentum of matrices is omitted. A run that is prolonged from it is not
    bitwise identical to one that was never interrupted.

    Raises
    ------
    ModelError
        If there is no checkpoint, or it is damaged.
    OutputError
        If the result cannot be written.
    """
    tensors, state, settings = read_checkpoint(path)
    kept = {
        name: tensor.half() if name.startswith("weight/") else tensor
        for name, tensor in tensors.items()
        if not name.startswith(MOMENTUM)
    }
    write_checkpoint(output, kept, state, corpus=settings.pop("corpus"), settings=settings)


def refuse_other_run(path: Path, recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise if a checkpoint belongs to a run with another corpus or other settings.

    Raises
    ------
    SettingsError
        If a key differs; the message gives each such key and both values.
    """
    found = differences(recorded, wanted)
    if found:
        listed = ", ".join(f"{key} ({there!r} there, {here!r} here)" for key, there, here in found)
        raise SettingsError(
            f"{path} belongs to another run; these differ: {listed}. Resume a run with the "
            "same corpus and settings, start a new one in another output, or prolong a run with --decay-from"
        )
