"""Weights of a checkpoint: from a folder, from the hub or its cache, or random."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from transformers.utils import logging

from data_curation.files import sha256_of
from ppi.backbones.checkpoints import NO_LIMIT, Checkpoint
from ppi.errors import BackboneError

Model = TypeVar("Model", bound=nn.Module)

_WEIGHTS = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class Source:
    """Where the weights of a backbone come from, and what is wanted of it.

    Attributes
    ----------
    spec
        As the user wrote it.
    checkpoint
        The published one; None for a folder or file of the user's.
    path
        Folder or file of the weights; None for the hub or random weights.
    revision
        Branch, tag or commit on the hub.
    seed
        Of random weights; None for real ones.
    layers, dtype
        See `ppi.backbones.encoder.PackedEncoder`.
    """

    spec: str
    checkpoint: Checkpoint | None
    path: Path | None
    revision: str | None
    seed: int | None
    layers: Sequence[int]
    dtype: torch.dtype

    @property
    def licence(self) -> str:
        """Licence of the weights, as far as it is known."""
        return self.checkpoint.licence if self.checkpoint else "that of the local checkpoint"

    @property
    def limit(self) -> int:
        """Most residues of a unit, where the architecture sets none."""
        return self.checkpoint.max_residues if self.checkpoint else NO_LIMIT


def obtain(
    source: Source,
    load: Callable[..., Any],
    make: Callable[[Checkpoint], Model],
    *,
    unused: tuple[str, ...] = (),
) -> tuple[Any, str, str]:
    """Load or make a model of the `transformers` library.

    Parameters
    ----------
    source
        Where from.
    load
        The library's ``from_pretrained``.
    make
        Makes the model of a published checkpoint with random weights.
    unused
        How the names of tensors begin that an embedding does not need: they may be missing.

    Returns
    -------
    model
        In evaluation mode.
    spec
        As in `source`, with the commit of the hub.
    identity
        Of the weights.

    Raises
    ------
    BackboneError
        If the weights cannot be had or are not those of this model.
    """
    checkpoint = source.checkpoint
    if source.path is not None:
        model = _load(load, str(source.path), None, source.dtype, unused)
        return model, source.spec, f"{model.config.model_type} {content_hash(source.path)}"
    assert checkpoint is not None
    if source.seed is not None:
        model = with_random_weights(lambda: make(checkpoint), source.seed, source.dtype)
        return model, source.spec, source.spec
    model = _load(load, checkpoint.repository, source.revision, source.dtype, unused)
    spec = pinned(source, getattr(model.config, "_commit_hash", None))
    return model, spec, spec


def pinned(source: Source, commit: str | None) -> str:
    """Return the spec with the commit that a branch or tag stood for."""
    return f"{source.spec.partition('@')[0]}@{commit or source.revision}"


def _load(
    load: Callable[..., Any],
    place: str,
    revision: str | None,
    dtype: torch.dtype,
    unused: tuple[str, ...],
) -> Any:
    try:
        with _quiet():
            model, info = load(
                place,
                revision=revision or "main",
                dtype=dtype,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # refused below, with their names
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise unavailable(place, error) from error
    missing = [key for key in info["missing_keys"] if not key.startswith(unused)]
    refuse_foreign_keys(place, missing, [key for key, *_ in info["mismatched_keys"]])
    return model.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library from reporting tensors that are not needed, and from drawing bars; errors are ours."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        logging.enable_progress_bar()


def unavailable(place: str, error: Exception) -> BackboneError:
    """Return the error for weights that cannot be loaded, with the ways out."""
    reason = " ".join(str(error).split())
    if Path(place).exists():
        return BackboneError(f"{place}: not a checkpoint that can be loaded: {reason}")
    return BackboneError(
        f"{place} is neither in the local cache nor can it be fetched: {reason} Two ways out: run once where "
        f"the hub can be reached (a gated model needs `hf auth login` first), or fetch it elsewhere with "
        f"`hf download {place} --local-dir FOLDER`, bring the folder here and give its path as the backbone."
    )


def refuse_foreign_keys(place: str, missing: Any, other_shape: Any = ()) -> None:
    """Raise if weights that the model needs are not in a checkpoint, or have another shape.

    Raises
    ------
    BackboneError
        With the first few of them.
    """
    for keys, what in ((sorted(missing), "lacks"), (sorted(other_shape), "has another shape for")):
        if keys:
            shown = ", ".join(keys[:4]) + (", ..." if len(keys) > 4 else "")
            raise BackboneError(
                f"{place}: these are not the weights of this model: the checkpoint {what} "
                f"{len(keys)} of its tensors ({shown})"
            )


def content_hash(path: Path) -> str:
    """Return a hash of a weights file, or of the configuration, tokenizer and weights in a folder."""
    if path.is_file():
        return sha256_of(path)[:16]
    # The tokenizer, where it is read, decides what the residues are.
    described = [path / name for name in ("config.json", "tokenizer.json")]
    weights = sorted(file for pattern in _WEIGHTS for file in path.glob(pattern))
    hashes = [sha256_of(file) for file in [*described, *weights] if file.is_file()]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]


def with_random_weights(make: Callable[[], Model], seed: int, dtype: torch.dtype) -> Model:
    """Make a model whose weights depend on nothing but the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().to(dtype).eval()
