"""A tokenised corpus on disk, which is made once from sequence files and then memory-mapped."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_curation.files import atomic_folder, sha256_of
from ppi.backbones.vocabulary import ESM_TOKENS, Vocabulary, in_order
from ppi.errors import InputError, SettingsError
from ppi.pretraining.held_out import COVERAGE, MIN_IDENTITY, Earlier, HeldOut, hold_out
from ppi.pretraining.sequences import ReadSequences, read_sequences

_LOG = logging.getLogger(__name__)
CLS, EOS, MASK = 0, 2, 32
#: Tokens of the twenty amino acids: `FIRST_RESIDUE` to `LAST_RESIDUE`.
FIRST_RESIDUE, LAST_RESIDUE = ESM_TOKENS.index("L"), ESM_TOKENS.index("C")

_FORMAT = 2
_MANIFEST = "manifest.json"
_PARTS = ("train", "validation")
_CHUNK = 4096


@dataclass(frozen=True)
class TokenizedSequences:
    """Concatenated tokens of sequences, without special tokens.

    Attributes
    ----------
    tokens
        ``(T,)`` uint8.
    offsets
        ``(S + 1,)`` int64; sequence s owns ``tokens[offsets[s]:offsets[s + 1]]``.
    """

    tokens: np.ndarray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """``(S,)`` number of residues of each sequence."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Corpus:
    """A prepared corpus.

    Attributes
    ----------
    train, validation
        Training and validation sequences.
    manifest
        Sources of the corpus, counts, and held-out sequences.
    """

    train: TokenizedSequences
    validation: TokenizedSequences
    manifest: dict[str, Any]

    @property
    def key(self) -> str:
        """Key that is equal for corpora with the same content and split."""
        return str(self.manifest["key"])


def prepare_corpus(
    files: Sequence[Path],
    folder: Path,
    *,
    validation_fraction: float,
    seed: int,
    held_out: Path | None = None,
    compare_with: Path | None = None,
) -> Corpus:
    """Tokenise sequence files into a folder, or open a corpus that was made of the same files before.

    A sequence that occurs more than once is kept once. The order of the files does not matter.

    Parameters
    ----------
    files
        Text with one sequence a line, or FASTA; plain, gzip or xz.
    folder
        Folder for token arrays, offsets and a manifest.
    validation_fraction, seed
        See `ppi.pretraining.held_out.hold_out`.
    held_out
        Manifest of the same corpus prepared elsewhere, whose validation sequences are used.
    compare_with
        Manifest of the corpus of an earlier model, whose files are among `files`: its validation sequences
        are held out again and its training sequences are not, so that figures of both models can be compared.

    Raises
    ------
    InputError
        If a file cannot be read or has no proteins, or a manifest belongs to another corpus.
    SettingsError
        If the folder contains another corpus.
    MMseqsError
        If MMseqs2 is absent or fails.
    OutputError
        If the folder cannot be written.
    """
    if not files:
        raise InputError("there is no corpus; give one or more files of sequences")
    for path in files:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
    hashes = {path: sha256_of(path) for path in files}
    files = sorted(hashes, key=hashes.__getitem__)
    sources = [{"name": path.name, "sha256": hashes[path]} for path in files]
    taken_over = None if held_out is None else _read_manifest(held_out)
    compared = None if compare_with is None else _read_manifest(compare_with)
    if taken_over is not None:
        earlier_key = taken_over["earlier"]
    else:
        earlier_key = None if compared is None else compared["key"]
    key = _key([source["sha256"] for source in sources], validation_fraction, seed, earlier_key)
    if taken_over is not None and taken_over["key"] != key:
        raise InputError(
            f"{held_out} is the manifest of another corpus, --validation-fraction or --seed, so it cannot "
            "define the held-out sequences of this one"
        )
    if (folder / _MANIFEST).exists():
        corpus = open_corpus(folder)
        if corpus.key != key:
            raise SettingsError(
                f"{folder} contains a corpus of other files, --validation-fraction, --seed or "
                "--compare-with; delete the folder or name another with --prepared"
            )
        return corpus
    _LOG.info("preparing %s; a large corpus takes minutes to cluster", folder)
    read = read_sequences(files)
    if taken_over is None:
        earlier = Earlier() if compared is None else _earlier(hashes, compared, compare_with)
        chosen = hold_out(read.sequences, validation_fraction, seed, earlier)
    else:
        chosen = HeldOut(taken_over["held_out"], taken_over["clusters"], taken_over["mmseqs"])
    split = {
        "key": key,
        "files": sources,
        "validation_fraction": validation_fraction,
        "seed": seed,
        "earlier": earlier_key,
        "clusters": chosen.clusters,
        "mmseqs": chosen.mmseqs,
        "min_identity": MIN_IDENTITY,
        "coverage": COVERAGE,
    }
    _write(folder, read, chosen.rows, split)
    return open_corpus(folder)


def open_corpus(folder: Path) -> Corpus:
    """Open a prepared corpus.

    Raises
    ------
    InputError
        If the folder has no corpus, or one of another version.
    """
    manifest = _read_manifest(folder / _MANIFEST)
    try:
        train, validation = (
            TokenizedSequences(
                np.load(folder / f"{part}_tokens.npy", mmap_mode="r"), np.load(folder / f"{part}_offsets.npy")
            )
            for part in _PARTS
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: not a prepared corpus ({error}); delete it to make it again") from error
    for part, name in zip((train, validation), _PARTS, strict=True):
        if len(part.tokens) != manifest[name]["residues"] or part.offsets[-1] != len(part.tokens):
            raise InputError(f"{folder}: the {name} tokens are damaged; delete the folder to make it again")
    return Corpus(train, validation, manifest)


def unigram_perplexity(train: np.ndarray, validation: np.ndarray) -> float:
    """Return the perplexity of validation residues under the frequencies of the training residues.

    Parameters
    ----------
    train, validation
        ``(T,)`` uint8 tokens; only the twenty amino acids count.
    """
    seen, held = (
        np.bincount(tokens, minlength=LAST_RESIDUE + 1)[FIRST_RESIDUE : LAST_RESIDUE + 1]
        for tokens in (train, validation)
    )
    # A pseudocount of one, for residues that a small corpus lacks.
    frequency = (seen + 1) / (seen + 1).sum()
    return float(np.exp(-(held * np.log(frequency)).sum() / max(held.sum(), 1)))


def _key(hashes: Sequence[str], validation_fraction: float, seed: int, earlier: str | None) -> str:
    content = [_FORMAT, *hashes, validation_fraction, seed, earlier, MIN_IDENTITY, COVERAGE]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _earlier(hashes: dict[Path, str], manifest: dict[str, Any], path: Path | None) -> Earlier:
    """Read the sequences of an earlier corpus from its files."""
    known = {content: file for file, content in hashes.items()}
    missing = [source["name"] for source in manifest["files"] if source["sha256"] not in known]
    if missing:
        raise InputError(
            f"{path} is the manifest of a corpus of other files: {', '.join(missing)} is not among the given "
            "files. Add it, or omit --compare-with"
        )
    sequences = read_sequences([known[source["sha256"]] for source in manifest["files"]]).sequences
    held_out = frozenset(sequences[row] for row in manifest["held_out"])
    return Earlier(frozenset(sequences) - held_out, held_out)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != _FORMAT:
            raise ValueError(f"the format is {manifest['format']}; this version reads {_FORMAT}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the manifest of a prepared corpus ({error})") from error
    return dict(manifest)


def _write(folder: Path, read: ReadSequences, held_out: Sequence[int], manifest: dict[str, Any]) -> None:
    held = np.zeros(len(read.sequences), dtype=bool)
    held[list(held_out)] = True
    with atomic_folder(folder) as unfinished:
        parts = {}
        for part, chosen in (("train", ~held), ("validation", held)):
            lengths = [len(read.sequences[number]) for number in np.flatnonzero(chosen)]
            tokens = _tokenize([read.sequences[number] for number in np.flatnonzero(chosen)])
            np.save(unfinished / f"{part}_tokens.npy", tokens)
            np.save(unfinished / f"{part}_offsets.npy", np.cumsum([0, *lengths], dtype=np.int64))
            manifest[part] = {"sequences": len(lengths), "residues": len(tokens)}
            parts[part] = tokens
        counted = {
            "format": _FORMAT,
            **manifest,
            "unigram_perplexity": unigram_perplexity(parts["train"], parts["validation"]),
            "lowered": read.lowered,
            "repeated": read.repeated,
            "dropped": read.dropped,
            "first_dropped": read.first_dropped,
            "held_out": list(held_out),
        }
        (unfinished / _MANIFEST).write_text(json.dumps(counted) + "\n", encoding="utf-8")


def _tokenize(sequences: Sequence[bytes]) -> np.ndarray:
    vocabulary = Vocabulary(in_order(ESM_TOKENS), start=None, separator=EOS, end=EOS)
    chunks = [np.empty(0, dtype=np.uint8)]
    for start in range(0, len(sequences), _CHUNK):
        tokens = vocabulary.encode([(one.decode(),) for one in sequences[start : start + _CHUNK]])
        chunks.append(tokens.ids[tokens.residue].astype(np.uint8))
    return np.concatenate(chunks)
