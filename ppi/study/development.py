"""Development cross-validation, the protocol for choosing recipes."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from data_curation.audit.leakage import similar_chains
from data_curation.files import check_writable_folder
from data_curation.splits.clustering import mmseqs_version
from ppi.datasets import SHIPPED_DATASET, open_dataset
from ppi.devices import choose_device
from ppi.errors import InputError, TrainingError
from ppi.evaluation.development import OutOfFold, describe_development
from ppi.evaluation.partners import draw_partners
from ppi.evaluation.report import check_outputs, write_development_report, write_json
from ppi.io.tables import ComplexTable
from ppi.provenance import code_provenance, source_label, table_sha256
from ppi.study.fold_run import Baselines, FoldRun
from ppi.study.folds import Fold, development_rows, make_folds
from ppi.training.recipes import recipe_settings
from ppi.training.settings import TrainSettings

_LOG = logging.getLogger(__name__)


def cross_validate(
    settings: TrainSettings | None = None,
    *,
    data: str | os.PathLike[str] | ComplexTable = SHIPPED_DATASET,
    work: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    report: str | os.PathLike[str] | None = None,
    baselines: Baselines = "sequence",
    seed: int = 0,
    device: str = "auto",
    store: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Predict each fold of the development rows by a model that was trained on the others, and score it.

    Rows have an exact pKd and are not ``test`` in the column ``split_strict``; those of fold -1 always train.
    A tenth of the clusters outside a fold stops the training early and calibrates the intervals.

    Parameters
    ----------
    settings
        Settings of the recipe; by default those of the recipe ``default``, the bundled model's.
    data
        Table with pKd and the columns ``fold``, ``split_strict`` and ``cluster``.
    work
        Folder for the model and the results of each fold; finished folds in it are not trained again. By
        default nothing is kept.
    output
        JSON file for the result.
    report
        Folder for ``report.html``, its figures, ``report.json`` and ``predictions.csv``; see
        `ppi.evaluation.report.write_development_report`.
    baselines
        ``sequence``, those over sequences, for which MMseqs2 searches similar chains; or ``none`` but the
        training mean.
    seed
        Seed of the protocol, which determines the validation clusters and the wrong partners. It is separate
        from that of the recipe, so that recipes are compared on the same rows.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.

    Returns
    -------
    dict
        What `ppi.evaluation.development.describe_development` returns, and

        - ``protocol``: ``cv``;
        - ``model``: its ``name``, and each setting;
        - ``data``: ``name, n`` (rows that are predicted), ``training`` (rows that always train),
          ``data_sha256``;
        - ``folds``: a list of ``fold, n, training, validation, validation_spearman``;
        - ``seed``; ``warnings``, as text; ``python, packages, git_commit``.

    Raises
    ------
    ppi.errors.PpiError
        If the data, a setting or a folder of `work` is wrong; this is checked before the first training.
    data_curation.errors.CurationError
        If the result cannot be written or MMseqs2 is absent (both are checked first), or MMseqs2 fails.
    """
    settings = settings or recipe_settings()
    if baselines not in get_args(Baselines):
        raise InputError(f"baselines is {baselines!r}; it must be {' or '.join(get_args(Baselines))}")
    check_outputs(data, output=output, report=report)
    place = choose_device(device)
    if baselines == "sequence":
        mmseqs_version()
    rows = development_rows(open_dataset(data))
    folds = make_folds(rows, seed=seed)
    with _work_folder(work) as folder:
        runs = [
            FoldRun(
                fold,
                settings,
                baselines,
                draw_partners(fold.predicted, seed=seed),
                folder / f"fold-{fold.number}",
            )
            for fold in folds
        ]
        for run in runs:
            run.begin()
        _run(runs, rows, place, store)
        out_of_fold, facts = _pooled(runs)
    name = facts[0]["model"]
    result = {
        "protocol": "cv",
        "model": {"name": name, **settings.flat()},
        "data": {
            "name": source_label(data),
            "n": len(out_of_fold.rows),
            "training": len(rows) - len(out_of_fold.rows),
            "data_sha256": table_sha256(rows),
        },
        "seed": seed,
        "folds": [{key: fact[key] for key in fact if key not in ("model", "level")} for fact in facts],
        "warnings": _warnings(folds),
        **describe_development(out_of_fold, name, facts[0]["level"]),
        **code_provenance(),
    }
    if output is not None:
        write_json(output, result)
    if report is not None:
        write_development_report(report, result, out_of_fold.frame())
    return result


@contextmanager
def _work_folder(work: str | os.PathLike[str] | None) -> Iterator[Path]:
    if work is not None:
        yield check_writable_folder(work)
        return
    with tempfile.TemporaryDirectory(prefix="ppi-cv-") as folder:
        yield Path(folder)


def _run(
    runs: Sequence[FoldRun], rows: ComplexTable, device: str, store: str | os.PathLike[str] | None
) -> None:
    """Run the folds that have no result, over one search of similar chains."""
    pending = [run for run in runs if not run.finished]
    _LOG.info("%d of %d folds are finished", len(runs) - len(pending), len(runs))
    if not pending:
        return
    hits = _similar(pending, rows) if pending[0].baselines == "sequence" else None
    for run in pending:
        _LOG.info("fold %d: %d complexes to predict", run.fold.number, len(run.fold.predicted))
        run.run(hits, device=device, store=store)


def _similar(pending: Sequence[FoldRun], rows: ComplexTable) -> pd.DataFrame:
    """Return the chains of all rows that are similar to those of the pending folds."""
    searched = {chain for run in pending for item in run.fold.predicted.complexes for chain in item.chains}
    return similar_chains(searched, {chain for item in rows.complexes for chain in item.chains})


def _pooled(runs: Sequence[FoldRun]) -> tuple[OutOfFold, list[dict[str, Any]]]:
    """Return the concatenated rows of finished folds, and the facts of each fold."""
    parts, facts = zip(*(run.read() for run in runs), strict=True)
    for run, part in zip(runs, parts, strict=True):
        if part.wrong.keys() != parts[0].wrong.keys():
            raise TrainingError(
                f"{run.folder}: its scores of partners are {', '.join(part.wrong)}, those of the first fold "
                f"{', '.join(parts[0].wrong)}; delete the folder"
            )
    table = ComplexTable(
        [item for part in parts for item in part.table.complexes],
        pd.concat([part.table.columns for part in parts], ignore_index=True),
    )
    return OutOfFold(
        table,
        pd.concat([part.rows for part in parts], ignore_index=True),
        {name: np.concatenate([part.baselines[name] for part in parts]) for name in parts[0].baselines},
        {name: np.concatenate([part.wrong[name] for part in parts]) for name in parts[0].wrong},
    ), list(facts)


def _warnings(folds: Sequence[Fold]) -> list[str]:
    shared, count = sum(fold.shared_groups for fold in folds), sum(len(fold.predicted) for fold in folds)
    if not shared:
        return []
    return [
        f"{shared} of {count} predicted complexes have others of their own cluster outside their fold, so a "
        "model may have been trained on similar complexes"
    ]
