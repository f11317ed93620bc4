"""Choose the sequences of a corpus that a trained model reads by retrieval ("AttentionInfluence", 2025).

Each training sequence is scored by how much the masked-language-model loss of a trained model rises when its
most retrieving heads are switched off; the sequences with the highest scores are kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from data_curation.errors import OutputError
from data_curation.files import atomic_file, sha256_of
from ppi.backbones.base import Unit
from ppi.backbones.esm2 import Esm2Backbone
from ppi.backbones.registry import build_backbone
from ppi.backbones.vocabulary import ESM_TOKENS
from ppi.complexes import UNKNOWN
from ppi.effects.likelihood import LanguageHead
from ppi.errors import InputError, SettingsError
from ppi.explain.attention.language import LanguageLoss
from ppi.explain.attention.packs import PackWithoutHeads
from ppi.pretraining.corpus import FIRST_RESIDUE, LAST_RESIDUE, Corpus, TokenizedSequences
from ppi.pretraining.retrieval import copy_attention, most_retrieving
from ppi.pretraining.settings import PretrainSettings
from ppi.progress import progress_bar

_LOG = logging.getLogger(__name__)
#: Folder of a selection in the output of a run, and its files.
SELECTION, SCORES, PLAN = "selection", "scores.parquet", "plan.json"
#: Sequences that are scored, and kept when the run is interrupted, together.
_CHUNK = 2048
_COLUMNS = ("masked", "loss", "loss_without", "influence")
#: Special tokens at the ends of a sequence.
_ENDS = 2


def selected(
    corpus: Corpus, output: Path, settings: PretrainSettings, device: torch.device, *, resume: bool
) -> Corpus:
    """Return a corpus with the top share of its training sequences; its manifest and its key say which.

    The scores are in ``selection/scores.parquet`` in the output: number of the training sequence in the
    prepared corpus, its residues, how many of them were masked, the loss (nats per masked residue) with all
    heads and without the most retrieving ones, the difference (``influence``), and whether it is selected.

    Parameters
    ----------
    corpus
        Prepared corpus.
    output
        Folder of the run.
    settings
        ``select`` names the model, ``select_share`` is the fraction of the sequences that is kept.
    device
        Where the model computes.
    resume
        Continue a selection that was interrupted, or take over a finished one.

    Raises
    ------
    BackboneError
        If the model cannot be loaded, or has no head of a masked language model.
    InputError
        If the model is no ESM-2.
    SettingsError
        If the output has a selection, and `resume` is off or it has another model, corpus or settings.
    OutputError
        If the scores cannot be written.
    """
    assert settings.select is not None, "no model is given"
    encoder = build_backbone(settings.select, precision=settings.precision).to(device)
    if not isinstance(encoder, Esm2Backbone):
        raise InputError(f"--select {settings.select} is not an ESM-2; give ppi-mini, or the folder of one")
    head = LanguageHead.read(settings.select)
    scores = copy_attention(encoder, seed=settings.seed)
    off = most_retrieving(scores)
    folder = output / SELECTION
    plan = {
        "model": encoder.identity,
        "corpus": corpus.key,
        "context": settings.context,
        "share": settings.select_share,
        "seed": settings.seed,
        "heads_off": [list(each) for each in off],
    }
    _check_plan(folder, plan, resume=resume)
    _LOG.info(
        "selecting %.0f %% of %s sequences by %s without %s (attention to copies %.2f to %.2f; mean %.3f)",
        100 * settings.select_share,
        f"{len(corpus.train.lengths):,}",
        settings.select,
        ", ".join(f"layer {layer} head {number}" for layer, number in off),
        *(scores[layer, number] for layer, number in (off[-1], off[0])),
        scores.mean(),
    )
    if not (folder / SCORES).exists():
        residues = min(settings.context - _ENDS, encoder.max_residues)
        table = _scored(corpus.train, encoder, head, off, folder, residues, settings.seed)
        _write(folder, _ranked(table, settings.select_share))
    table = pd.read_parquet(folder / SCORES)
    kept = _rows_of(corpus.train, np.flatnonzero(table["selected"]))
    found = {**plan, "copy_attention": scores.round(4).tolist(), "sha256": sha256_of(folder / SCORES)}
    return _with_train(corpus, kept, found)


def _check_plan(folder: Path, plan: dict[str, Any], *, resume: bool) -> None:
    """Write what is selected by, or raise if the folder has another selection."""
    path = folder / PLAN
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as unfinished:
            unfinished.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
        return
    if not resume:
        raise SettingsError(f"{folder} exists; continue it with --resume, or choose another --output")
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete {folder}") from error
    differing = [name for name, value in plan.items() if before.get(name) != value]
    if differing:
        raise SettingsError(
            f"{folder} is a selection with another {', '.join(differing)}; give the same model, corpus and "
            "settings, or choose another --output"
        )


def _scored(
    train: TokenizedSequences,
    encoder: Esm2Backbone,
    head: LanguageHead,
    off: list[tuple[int, int]],
    folder: Path,
    residues: int,
    seed: int,
) -> pd.DataFrame:
    """Score all sequences by their first residues, chunk by chunk; chunks that are in the folder are read."""
    chunks = [range(start, min(start + _CHUNK, len(train.lengths))) for start in _starts(train)]
    paths = [folder / f"chunk-{number:05d}.npy" for number in range(1, len(chunks) + 1)]
    parts = []
    with progress_bar("scoring sequences", len(train.lengths), "sequences") as advance:
        for number, (rows, path) in enumerate(zip(chunks, paths, strict=True)):
            if not path.exists():
                units = [_unit(train, row, residues) for row in rows]
                # One number names the masks of a chunk: they do not depend on where the run was interrupted.
                part = _influence(encoder, head, off, units, seed=seed * len(chunks) + number)
                with atomic_file(path) as unfinished, unfinished.open("wb") as file:
                    np.save(file, part)
            parts.append(np.load(path))
            advance(len(rows))
    columns = dict(zip(_COLUMNS, np.concatenate(parts, axis=1), strict=True))
    return pd.DataFrame({"sequence": np.arange(len(train.lengths)), "residues": train.lengths, **columns})


def _influence(
    encoder: Esm2Backbone,
    head: LanguageHead,
    off: list[tuple[int, int]],
    units: list[Unit],
    *,
    seed: int,
) -> np.ndarray:
    """Return ``(4, S)`` by `_COLUMNS`; NaN for a sequence without a known residue."""
    loss = LanguageLoss(encoder, head, units, seed=seed)
    intact, count = loss.per_unit()
    without, _ = loss.per_unit(partial(PackWithoutHeads, off=off))
    known = np.where(count > 0, count, np.nan)
    return np.stack([count, intact / known, without / known, (without - intact) / known])


def _ranked(table: pd.DataFrame, share: float) -> pd.DataFrame:
    """Add the column `selected`; of equal scores the first are selected, and unknown ones last."""
    count = max(1, round(share * len(table)))
    order = np.argsort(-table["influence"].to_numpy(), kind="stable")  # NaN is last.
    chosen = np.zeros(len(table), dtype=bool)
    chosen[order[:count]] = True
    return table.assign(selected=chosen)


def _write(folder: Path, table: pd.DataFrame) -> None:
    with atomic_file(folder / SCORES) as unfinished:
        table.to_parquet(unfinished, index=False)
    for path in folder.glob("chunk-*.npy"):
        try:
            path.unlink()
        except OSError as error:
            raise OutputError(f"{path}: cannot be deleted ({error.strerror})") from error


def _starts(train: TokenizedSequences) -> Iterator[int]:
    return iter(range(0, len(train.lengths), _CHUNK))


def _unit(train: TokenizedSequences, row: int, residues: int) -> Unit:
    """Return the first residues of a sequence; letters beyond the twenty amino acids become X."""
    start = int(train.offsets[row])
    end = min(int(train.offsets[row + 1]), start + residues)
    return ("".join(_LETTERS[train.tokens[start:end]]),)


def _rows_of(train: TokenizedSequences, rows: np.ndarray) -> TokenizedSequences:
    parts = [train.tokens[train.offsets[row] : train.offsets[row + 1]] for row in rows]
    offsets = np.concatenate([[0], np.cumsum(train.lengths[rows])]).astype(np.int64)
    return TokenizedSequences(np.concatenate(parts), offsets)


def _with_train(corpus: Corpus, train: TokenizedSequences, found: dict[str, Any]) -> Corpus:
    key = hashlib.sha256(f"{corpus.key} {found['sha256']}".encode()).hexdigest()
    counted = {"sequences": len(train.lengths), "residues": len(train.tokens)}
    manifest = {**corpus.manifest, "key": key, "train": counted, "selection": found}
    return dataclasses.replace(corpus, train=train, manifest=manifest)


def _letters() -> np.ndarray:
    letters = np.full(256, UNKNOWN)
    letters[FIRST_RESIDUE : LAST_RESIDUE + 1] = list(ESM_TOKENS[FIRST_RESIDUE : LAST_RESIDUE + 1])
    return letters


_LETTERS = _letters()
