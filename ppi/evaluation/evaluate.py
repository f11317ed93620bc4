"""Evaluate a model on measured complexes, beside baselines and by how new the complexes are."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from safetensors.torch import save

from data_curation.audit.leakage import similar_chains
from data_curation.splits.clustering import mmseqs_version
from ppi.datasets import SHIPPED_DATASET, data_labels, open_dataset, split_dataset
from ppi.devices import choose_device
from ppi.embedding.units import warn_truncated
from ppi.errors import InputError, PpiWarning
from ppi.evaluation.baselines import embedding_baselines, sequence_baselines
from ppi.evaluation.embedding_features import mean_embeddings
from ppi.evaluation.neighbours import highest_identity
from ppi.evaluation.report import check_outputs, write_json, write_report
from ppi.evaluation.scoring import Scored, describe
from ppi.evaluation.strata import all_chains_known
from ppi.io.tables import ComplexTable
from ppi.models.folder import DEFAULT_MODEL, TrainedModel, load_model
from ppi.prediction.engine import predict_members
from ppi.prediction.novelty import pair_identities
from ppi.provenance import code_provenance, table_sha256

#: Baselines to fit: all, those that need no embeddings, or none.
Baselines = Literal["all", "sequence", "none"]


def evaluate(
    model: str | os.PathLike[str] | TrainedModel = DEFAULT_MODEL,
    *,
    data: str | os.PathLike[str] | ComplexTable = SHIPPED_DATASET,
    split: str | os.PathLike[str] | None = None,
    part: str = "test",
    baselines: Baselines = "all",
    output: str | os.PathLike[str] | None = None,
    report: str | os.PathLike[str] | None = None,
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
        Column of the table, or CSV, with the parts; see `ppi.datasets.split_dataset`, which also excludes pKd
        values that are only bounds.
    part
        Part to score.
    baselines
        ``all``; ``sequence``, without those over embeddings, for which the training complexes must be
        embedded if the store lacks them; or ``none``.
    output
        JSON file for the result.
    report
        Folder for ``report.html``, its figures, ``report.json`` and ``predictions.csv``; see
        `ppi.evaluation.report.write_report`.
    truncate
        Shorten complexes over the backbone's limit instead of raising an error.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.

    Returns
    -------
    dict
        What `ppi.evaluation.scoring.describe` returns, and

        - ``model``: ``name, weights_sha256, backbone, training_data_sha256, training_complexes``;
        - ``data``: ``name, split`` (column or file), ``part, n, data_sha256``;
        - ``trained_on``: number of complexes that were probably in the training set of the model;
        - ``warnings``: the warnings, as text;
        - ``python, packages, git_commit``.

        It can be written as JSON: an unknown value is None, never NaN.

    Raises
    ------
    ppi.errors.PpiError
        If the data, an option or the model is wrong.
    data_curation.errors.CurationError
        If the result cannot be written or MMseqs2 is absent (both are checked first), or MMseqs2 fails.

    Warns
    -----
    ppi.errors.PpiWarning
        If the model was trained on some of the complexes, or on another split of the data; or complexes were
        shortened.
    """
    if baselines not in get_args(Baselines):
        raise InputError(f"baselines is {baselines!r}; choose one of {', '.join(get_args(Baselines))}")
    check_outputs(data, output=output, report=report)
    place = choose_device(device)
    mmseqs_version()  # This raises before the work if MMseqs2 is absent.
    trained = model if isinstance(model, TrainedModel) else load_model(model)
    full_table = open_dataset(data)
    named = data_labels(data, full_table, split)
    table = split_dataset(full_table, split)
    scored = table.part(part)
    scored.measured_pkd(part)  # This raises before the work if a pKd is missing.
    members = predict_members(trained.model, scored.complexes, truncate=truncate, device=place, store=store)
    warn_truncated(scored.complexes, members.truncated)

    near = similar_chains(_chains(scored), trained.training_chains)
    identity = highest_identity(scored.complexes, near)
    trained_on = all_chains_known(scored.complexes, trained.training_chains)
    fitted = _baseline_predictions(trained, table, scored, near, baselines, place, store)
    scored_rows = Scored(
        table=scored,
        predictors={trained.name: members.mean, **fitted},
        half_width=trained.calibration.half_width(
            members.spread, pair_identities(trained.training_complexes, scored.complexes)
        ),
        spread=members.spread,
        identity=identity,
        trained_on=trained_on,
    )
    result = {
        "model": _model_facts(trained),
        "data": {
            **named,
            "part": part,
            "n": len(scored),
            "data_sha256": table_sha256(table),
        },
        "trained_on": int(trained_on.sum()),
        "warnings": _warn_of_split(trained, named) + _warn_of_trained_on(trained_on),
        **describe(scored_rows, trained.calibration.level, table.columns),
        **code_provenance(),
    }
    if output is not None:
        write_json(output, result)
    if report is not None:
        write_report(report, result, scored_rows.frame())
    return result


def _baseline_predictions(
    trained: TrainedModel,
    table: ComplexTable,
    scored: ComplexTable,
    near: pd.DataFrame,
    baselines: Baselines,
    device: str,
    store: str | os.PathLike[str] | None,
) -> dict[str, np.ndarray]:
    """Return what baselines predict that are fitted on the training rows; empty if there are no such rows.

    `near` has the chains that are similar to those that the model was trained on.
    """
    if baselines == "none" or not (table.columns["split"] == "train").any():
        return {}
    train = table.part("train")
    more = similar_chains(_chains(scored), _chains(train) - set(trained.training_chains))
    found = sequence_baselines(train, scored.complexes, pd.concat([near, more]))
    if baselines == "sequence":
        return found
    everyone = [*train.complexes, *scored.complexes]
    embedded = mean_embeddings(trained.model, everyone, device=device, store=store)
    return found | embedding_baselines(train, embedded[: len(train)], embedded[len(train) :])


def _chains(table: ComplexTable) -> set[str]:
    return {chain for item in table.complexes for chain in item.chains}


def _model_facts(trained: TrainedModel) -> dict[str, Any]:
    return {
        "name": trained.name,
        "weights_sha256": hashlib.sha256(save(trained.model.trained_state())).hexdigest(),
        "backbone": trained.model.backbone.identity,
        "training_data_sha256": trained.manifest.get("data_sha256"),
        "training_complexes": trained.manifest.get("training_complexes"),
    }


def _warn_of_split(trained: TrainedModel, named: dict[str, str]) -> list[str]:
    known = trained.manifest.get("data", named)
    if known["name"] != named["name"] or known["split"] == named["split"]:
        return []
    text = (
        f"the model was trained on the split {known['split']} of {known['name']}, but is evaluated on "
        f"{named['split']}; its training set may include these complexes or similar ones"
    )
    warnings.warn(text, PpiWarning, stacklevel=3)
    return [text]


def _warn_of_trained_on(trained_on: Sequence[bool] | np.ndarray) -> list[str]:
    count = int(np.sum(trained_on))
    if not count:
        return []
    text = (
        f"{count} of {len(trained_on)} complexes have only chains that the model was trained on; these "
        "complexes were probably in the training set; their scores do not measure generalisation"
    )
    warnings.warn(text, PpiWarning, stacklevel=3)
    return [text]
