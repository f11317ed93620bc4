"""Load the weights of a checkpoint from a folder, the hub or its cache, or draw them at random."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.utils import logging as hub_logging
from torch import nn

from data_curation.files import sha256_of
from ppi.backbones.checkpoints import NO_LIMIT, Checkpoint
from ppi.errors import BackboneError

Model = TypeVar("Model", bound=nn.Module)

_WEIGHTS = ("*.safetensors", "*.bin")
#: Formats of weights on the hub, best first: a file, and the pattern of its shards if it is an index.
WEIGHT_FILES = (
    ("model.safetensors", None),
    ("model.safetensors.index.json", "*.safetensors"),
    ("pytorch_model.bin", None),
    ("pytorch_model.bin.index.json", "*.bin"),
)


@dataclass(frozen=True)
class Source:
    """The source of the weights of a backbone, and how to load them.

    Attributes
    ----------
    spec
        Name as the user wrote it.
    checkpoint
        Published checkpoint; None for a folder or file of the user.
    path
        Folder or file with the weights; None for the hub or random weights.
    revision
        Branch, tag or commit on the hub.
    seed
        Seed of random weights; None for trained ones.
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
        """Licence of the weights, if it is known."""
        return self.checkpoint.licence if self.checkpoint else "that of the local checkpoint"

    @property
    def limit(self) -> int:
        """Maximum number of residues in a unit where the architecture sets none."""
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
        Source of the weights.
    load
        The library's ``from_pretrained``.
    make
        Function that makes the model of a published checkpoint with random weights.
    unused
        Prefixes of tensors that an embedding does not need and that may be missing.

    Returns
    -------
    model
        Model in evaluation mode.
    spec
        Spec of `source`, with the commit of the hub.
    identity
        Identity of the weights.

    Raises
    ------
    BackboneError
        If the weights cannot be loaded or do not fit this model.
    """
    if source.path is not None:
        model = load_checked(load, source.path, source.path, source.dtype, unused)
        return model, source.spec, f"{model.config.model_type} {content_hash(source.path)}"
    checkpoint = source.checkpoint
    assert checkpoint is not None
    if source.seed is not None:
        model, digest = with_random_weights(lambda: make(checkpoint), source.seed, source.dtype)
        return model, source.spec, f"{source.spec} {digest}"
    repository = checkpoint.repository
    folder = _fetch_folder(repository, source.revision)
    spec = pinned(source, folder)
    return load_checked(load, repository, folder, source.dtype, unused), spec, spec


def fetch(repository: str, file: str, revision: str | None) -> Path:
    """Return the path of a file of the hub in the local cache, below a folder named by its commit.

    Raises
    ------
    BackboneError
        If the file is not in the cache and cannot be downloaded.
    """
    try:
        with _quiet():
            return Path(hf_hub_download(repository, file, revision=revision))
    except (OSError, ValueError) as error:
        raise unavailable(repository, error) from error


def pinned(source: Source, snapshot: Path) -> str:
    """Return the spec with the commit of a branch or tag, from the name of a folder in the hub's cache."""
    return f"{source.spec.partition('@')[0]}@{snapshot.name}"


def _fetch_folder(repository: str, revision: str | None) -> Path:
    """Return the folder with the configuration and the first available format of weights."""
    # Files are fetched one by one, because a local folder named like the repository must not be used instead.
    folder = fetch(repository, "config.json", revision).parent
    lacking: Exception | None = None
    for first, shards in WEIGHT_FILES:
        try:
            with _quiet():
                hf_hub_download(repository, first, revision=folder.name)
                if shards is not None:
                    snapshot_download(repository, revision=folder.name, allow_patterns=[shards])
            return folder
        except EntryNotFoundError as error:
            lacking = lacking or error
        except (OSError, ValueError) as error:
            raise unavailable(repository, error) from error
    assert lacking is not None
    raise unavailable(repository, lacking) from lacking


def load_checked(
    load: Callable[..., Any], place: str | Path, folder: Path, dtype: torch.dtype, unused: tuple[str, ...]
) -> Any:
    """Load a model of the `transformers` library in evaluation mode, without messages of the library.

    Parameters
    ----------
    load
        The library's ``from_pretrained``.
    place
        Repository or folder, for error messages.
    folder
        Folder with the weights.
    dtype
        Data type of the weights.
    unused
        Prefixes of tensors that may be missing.

    Raises
    ------
    BackboneError
        If the weights cannot be read or do not fit this model.
    """
    try:
        with _quiet():
            model, info = load(
                str(folder),
                dtype=dtype,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # They are rejected below, with their names.
            )
    except Exception as error:  # The library passes on every exception of its parsers.
        raise unavailable(place, error) from error
    missing = [key for key in info["missing_keys"] if not key.startswith(unused)]
    refuse_foreign_keys(place, missing, [key for key, *_ in info["mismatched_keys"]])
    return model.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the libraries' messages about retries and unused tensors and their progress bars."""
    from transformers.utils import logging

    loud = [(library, library.get_verbosity()) for library in (hub_logging, logging)]
    for library, _ in loud:
        library.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity in loud:
            library.set_verbosity(verbosity)
        logging.enable_progress_bar()


def unavailable(place: str | Path, error: Exception) -> BackboneError:
    """Return the error for weights that cannot be loaded, with what to do; a string is a repository."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, pickle.UnpicklingError):
        # The message of torch ends with the advice to load the file anyway, so it is not shown.
        reason = "it contains more than weights, or is damaged."
    if isinstance(place, Path):
        return BackboneError(f"{place}: not a checkpoint that can be loaded: {reason}")
    return BackboneError(
        f"{place} is not in the local cache and cannot be downloaded: {reason} Two ways out: run once where "
        f"the hub can be reached (a gated model needs `hf auth login` first), or fetch it elsewhere with "
        f"`hf download {place} --local-dir FOLDER`, bring the folder here and give its path as the backbone."
    )


def refuse_foreign_keys(place: str | Path, missing: Any, other_shape: Any = ()) -> None:
    """Raise if a checkpoint lacks weights that the model needs, or has them in another shape.

    Raises
    ------
    BackboneError
        If there are such weights; the message lists the first few.
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
    # A tokenizer that is read determines the tokens of the residues.
    described = [path / name for name in ("config.json", "tokenizer.json")]
    weights = sorted(file for pattern in _WEIGHTS for file in path.glob(pattern))
    hashes = [sha256_of(file) for file in [*described, *weights] if file.is_file()]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]


def with_random_weights(make: Callable[[], Model], seed: int, dtype: torch.dtype) -> tuple[Model, str]:
    """Make a model with random weights of a given seed; return it and a hash of the weights.

    The libraries draw the weights, and may draw them differently in another version; the hash shows this.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make()
    digest = hashlib.sha256()
    for weight in model.parameters():
        digest.update(weight.detach().numpy().tobytes())
    return model.to(dtype).eval(), digest.hexdigest()[:16]
