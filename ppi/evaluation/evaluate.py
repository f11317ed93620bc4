"""Evaluate a model on measured complexes, beside baselines and by how new the complexes are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from data_curation.files import atomic_file, check_writable_file
from data_curation.leakage import nearest_identity
from ppi.datasets import SHIPPED_DATASET, split_dataset
from ppi.devices import choose_device
from ppi.embedding.units import say_truncated
from ppi.evaluation.baselines import baseline_predictions
from ppi.evaluation.metrics import Score, score
from ppi.io.tables import ComplexTable
from ppi.models.folder import DEFAULT_MODEL, TrainedModel, load_model
from ppi.prediction.engine import predict_members
from ppi.provenance import code_provenance, table_sha256

#: A complex with a chain at least this identical to a training chain is not new to the model.
NOVELTY_IDENTITY = 0.3
#: Fewer complexes than this are not scored by themselves.
SMALLEST_STRATUM = 10


class Stratum(NamedTuple):
    """Some of the complexes, by name."""

    name: str
    rows: np.ndarray


def evaluate(
    model: str | os.PathLike[str] | TrainedModel = DEFAULT_MODEL,
    *,
    data: str | os.PathLike[str] | ComplexTable = SHIPPED_DATASET,
    split: str | os.PathLike[str] | None = None,
    part: str = "test",
    output: str | os.PathLike[str] | None = None,
    truncate: bool = False,
    device: str = "auto",
    store: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Score a model on one part of a table.

    Parameters
    ----------
    model
        Model folder, loaded model, or ``default``.
    data
        Table with pKd; its ``train`` rows fit the baselines.
    split
        Column of the table or CSV that says which rows these are; see `ppi.datasets.split_dataset`,
        which also leaves out bounds.
    part
        Part to score.
    output
        JSON file for the report.
    truncate
        Shorten complexes over the backbone's limit instead of refusing them.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.

    Returns
    -------
    dict
        ``scores``: for each predictor (the model first, then the baselines) and each stratum (all; each
        source; complexes with and without a chain >= 30 % identical to a training chain), n and the
        metrics with 95 % bootstrap intervals. ``capped_labels``: the model against
        abs(log10(Kd / M + 1e-10)), the label of the published table, for comparison only. ``coverage``:
        part of the complexes inside the model's interval.

    Raises
    ------
    ppi.errors.PpiError
        If the data or the model is wrong.
    """
    if output is not None:
        check_writable_file(output)
    place = choose_device(device)
    trained = model if isinstance(model, TrainedModel) else load_model(model)
    table = split_dataset(data, split)
    scored = table.part(part)
    measured = scored.measured_pkd(part)
    members = predict_members(trained.model, scored.complexes, truncate=truncate, device=place, store=store)
    say_truncated(scored.complexes, members.truncated)
    predicted = members.mean
    predictors = {trained.name: predicted, **_baselines(table, scored)}
    strata = list(_strata(scored, trained.training_chains))
    calibration = trained.calibration
    report = {
        "model": trained.name,
        "part": part,
        "data_sha256": table_sha256(table),
        "scores": {
            name: {stratum.name: _scores(measured, values, stratum.rows) for stratum in strata}
            for name, values in predictors.items()
        },
        "capped_labels": _scores(cap_labels(measured), predicted, np.ones(len(scored), dtype=bool)),
        "interval_level": calibration.level,
        "coverage": float(np.mean(np.abs(measured - predicted) <= calibration.half_width)),
        **code_provenance(),
    }
    if output is not None:
        with atomic_file(output) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n")
    return report


def cap_labels(pkd: np.ndarray) -> np.ndarray:
    """Return abs(log10(Kd + 1e-10)), the label of arXiv 2505.20036, which caps pKd at 10."""
    return np.abs(np.log10(10.0**-pkd + 1e-10))


def format_report(report: dict[str, Any]) -> str:
    """Return a report as Markdown: one table a stratum, one row a predictor."""
    first = next(iter(report["scores"].values()))
    lines = [f"# {report['model']} on {report['part']}", ""]
    for stratum, scores in first.items():
        lines += [f"## {stratum} (n = {scores['n']})", ""]
        lines += _table({name: per[stratum] for name, per in report["scores"].items()})
    lines += ["## capped labels, for comparison only", ""]
    lines += _table({report["model"]: report["capped_labels"]})
    lines.append(
        f"{report['coverage']:.1%} of the complexes lie in the {report['interval_level']:.0%} interval."
    )
    return "\n".join(lines) + "\n"


def _table(rows: dict[str, dict[str, Any]]) -> list[str]:
    lines = ["| predictor | Spearman | Pearson | RMSE | MAE |", "| --- | --- | --- | --- | --- |"]
    for name, scores in rows.items():
        cells = [_cell(scores[metric]) for metric in ("spearman", "pearson", "rmse", "mae")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(value: dict[str, float]) -> str:
    return f"{value['value']:.2f} ({value['lower']:.2f} to {value['upper']:.2f})"


def _baselines(table: ComplexTable, part: ComplexTable) -> dict[str, np.ndarray]:
    """Return no baseline for a table without training rows: there is nothing to fit them on."""
    if not (table.columns["split"] == "train").any():
        return {}
    return baseline_predictions(table.part("train"), part.complexes)


def _strata(part: ComplexTable, training_chains: tuple[str, ...]) -> Iterator[Stratum]:
    everything = np.ones(len(part), dtype=bool)
    yield Stratum("all", everything)
    known = np.array(nearest_identity([item.chains for item in part.complexes], training_chains))
    candidates = [
        Stratum(
            f"a chain >= {NOVELTY_IDENTITY:.0%} identical to a training chain", known >= NOVELTY_IDENTITY
        ),
        Stratum(
            f"no chain >= {NOVELTY_IDENTITY:.0%} identical to a training chain", known < NOVELTY_IDENTITY
        ),
    ]
    if "source" in part.columns:
        source = part.columns["source"].astype(str).to_numpy()
        candidates += [Stratum(name, source == name) for name in sorted(set(source))]
    yield from (stratum for stratum in candidates if stratum.rows.sum() >= SMALLEST_STRATUM)


def _scores(measured: np.ndarray, predicted: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    scores: dict[str, Score] = score(measured[rows], predicted[rows])
    return {"n": int(rows.sum()), **{name: value._asdict() for name, value in scores.items()}}
