"""The result of a development cross-validation as tables of text, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ppi.evaluation.score_tables import bootstrap_sentence, number, score_cell, unscored_sentence
from ppi.evaluation.strata import EVERYTHING
from ppi.io.markdown import markdown_table

_SCORES = {"pkd": "predicted pKd", "partner_score": "partner score"}


def development_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per predictor: Spearman over complexes, PDB-entry means and within series, and RMSE."""
    within = result["within_target"]
    return pd.DataFrame(
        {
            "predictor": name,
            "Spearman": score_cell(per[EVERYTHING]["spearman"]),
            "Spearman, PDB means": score_cell(result["entry_scores"][name]["spearman"]),
            "Spearman within series": score_cell(within[name]["mean"]) if within else "-",
            "RMSE": score_cell(per[EVERYTHING]["rmse"]),
        }
        for name, per in result["scores"].items()
    )


def novelty_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per novelty that is scored: Spearman and RMSE of the model."""
    scores = result["scores"][result["model"]["name"]]
    return pd.DataFrame(
        {
            "complexes": stratum["name"],
            "n": stratum["n"],
            "groups": stratum["groups"],
            "Spearman": score_cell(scores[stratum["name"]]["spearman"]),
            "RMSE": score_cell(scores[stratum["name"]]["rmse"]),
        }
        for stratum in result["strata"]
        if stratum["scored"]
    )


def partner_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per score: its partner AUROC."""
    return pd.DataFrame(
        {"score": _SCORES.get(name, name), "partner AUROC": score_cell(found)}
        for name, found in result["partners"]["auroc"].items()
    )


def interval_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per novelty: the model's intervals beside those of the training mean, in pKd units."""
    model, constant = result["coverage"]["strata"], result["coverage"]["constant"]
    return pd.DataFrame(
        {
            "complexes": stratum["name"],
            "n": stratum["n"],
            "coverage": score_cell(model[stratum["name"]]["coverage"], percent=True),
            "median width": number(model[stratum["name"]]["median_width"]),
            "coverage, mean only": score_cell(constant[stratum["name"]]["coverage"], percent=True),
            "median width, mean only": number(constant[stratum["name"]]["median_width"]),
        }
        for stratum in result["strata"]
    )


def fold_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a fold: its complexes, and the Spearman in it and in its validation."""
    return pd.DataFrame(
        {
            "fold": fold["fold"],
            "n": fold["n"],
            "training": fold["training"],
            "validation": fold["validation"],
            "validation Spearman": number(fold["validation_spearman"]),
            "Spearman": number(result["fold_spearman"][str(fold["fold"])]),
        }
        for fold in result["folds"]
    )


def development_title(result: Mapping[str, Any]) -> str:
    """Return what was cross-validated on what."""
    return f"{result['model']['name']}, development cross-validation on {result['data']['name']}"


def development_sentences(result: Mapping[str, Any]) -> dict[str, str]:
    """Return what the tables show, by their names."""
    within = result["within_target"]
    count = within[result["model"]["name"]]["count"] if within else 0
    return {
        "scores": (
            f"{result['data']['n']:,} exact complexes outside the test part, each predicted by the model "
            "that was trained without its fold. Baselines are fitted on the same training rows. "
            f"Series are PDB entries with at least 8 complexes: {count}. {bootstrap_sentence(result)}"
        ),
        "partners": (
            f"True pairs against the same ligand with {result['partners']['count']} receptors of other "
            "clusters of the same fold, each complex weighted by 1 / complexes of its PDB entry; 0.5 is "
            "chance."
        ),
        "intervals": (
            f"Coverage of the {result['coverage']['level']:.0%} intervals and their median width in pKd "
            "units, by how new the complexes are to the training rows of their fold; beside it the interval "
            "that knows only the training mean, calibrated on the same validation rows."
        ),
        "unscored": unscored_sentence(result),
    }


def format_development(result: Mapping[str, Any]) -> str:
    """Return the result of `ppi.study.development.cross_validate` as Markdown."""
    texts = development_sentences(result)
    lines = [f"# {development_title(result)}", ""]
    lines += [f"**{text}.**\n" for text in result["warnings"]]
    lines += [texts["scores"], "", *markdown_table(development_table(result))]
    lines += ["## by novelty", "", *markdown_table(novelty_table(result))]
    lines += ["## partners", "", texts["partners"], "", *markdown_table(partner_table(result))]
    lines += ["## intervals", "", texts["intervals"], "", *markdown_table(interval_table(result))]
    lines += ["## folds", "", *markdown_table(fold_table(result))]
    return "\n".join([*lines, texts["unscored"], ""] if texts["unscored"] else lines)
