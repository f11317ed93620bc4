"""The report of a study as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ppi.evaluation.bootstrap import groups_of
from ppi.evaluation.score_tables import number
from ppi.evaluation.strata import NOVELTY_IDENTITY
from ppi.io.markdown import markdown_table
from ppi.provenance import code_provenance
from ppi.study.plan import StudyPlan
from ppi.study.processes import Failure
from ppi.study.scores import CHOICE
from ppi.study.splits import DEVELOPMENT
from ppi.study.statistics import RANK_RESAMPLES, TEST_RESAMPLES

_SIGNIFICANT = 0.05


def study_page(
    plan: StudyPlan,
    table: pd.DataFrame,
    pairs: pd.DataFrame,
    ranks: pd.DataFrame,
    failures: Sequence[Failure],
) -> str:
    """Return the report.

    Parameters
    ----------
    plan
        Plan of the study.
    table, pairs, ranks
        Results of `ppi.study.scores.score_table`, `ppi.study.comparison.pair_table` and `rank_table`.
    failures
        Failed cells of this run.
    """
    lines = ["# Study", "", *_what_was_run(plan, failures), *_how_to_read()]
    for name, of_split in table.groupby("split", sort=False):
        lines += [f"## {name}", "", _choice(of_split), ""]
        if name == DEVELOPMENT:
            lines += [
                "Test stands for the predicted rows of all five folds, each by a model that was trained "
                "without its fold; validation stands for the rows that stopped their training.",
                "",
            ]
        lines += [*_scores(of_split), *_novelty_and_ensemble(of_split), *_capped(of_split)]
        lines += _pairs(pairs[pairs["split"] == name])
    lines += [*_ranks(plan, ranks), *_commands(plan)]
    return "\n".join(lines)


def _what_was_run(plan: StudyPlan, failures: Sequence[Failure]) -> list[str]:
    code = code_provenance()
    packages = ", ".join(f"{name} {version}" for name, version in code["packages"].items())
    finished = len(plan.finished())
    rows = []
    for name, split in plan.splits.items():
        groups = groups_of(split.table.part("test"))
        rows.append(
            {
                "split": name,
                **split.counts(),
                "test groups": f"{len(np.unique(groups.number))} ({groups.column})",
                "SHA-256 of data and split": f"`{split.sha256}`",
            }
        )
    lines = [
        f"{len(plan.configurations)} configuration(s), {len(plan.splits)} split(s) and "
        f"{len(plan.settings.seeds)} seed(s): {finished} of {len(plan.cells)} cells are finished.",
        f"Data: `{next(iter(plan.splits.values())).data}`. Git commit {code['git_commit'] or 'unknown'}, "
        f"Python {code['python']}, {packages}.",
        "",
    ]
    lines += [f"**{failure.name} failed (exit status {failure.status}).**\n" for failure in failures]
    return [*lines, *markdown_table(pd.DataFrame(rows))]


def _how_to_read() -> list[str]:
    return [
        "Scores are the mean +- standard deviation over seeds. Configurations stand in the order of their "
        "validation Spearman, which chooses; test only reports. Baselines, in italics, are fitted on the "
        "training rows and know only the sequences.",
        "",
    ]


def _choice(table: pd.DataFrame) -> str:
    own = table[table["kind"] == "configuration"]
    chosen, best = own.iloc[0], own.iloc[int(own["test_spearman_mean"].to_numpy().argmax())]
    text = (
        f"Validation chooses **{chosen['predictor']}** (validation Spearman {_cell(chosen, CHOICE)}): "
        f"its test Spearman is {_cell(chosen, 'test_spearman')}."
    )
    if best["predictor"] == chosen["predictor"]:
        return text
    return (
        f"{text} The highest test Spearman, {_cell(best, 'test_spearman')} of {best['predictor']}, could not "
        "be known beforehand."
    )


def _scores(table: pd.DataFrame) -> list[str]:
    titles = {
        "validation_spearman": "validation Spearman",
        "test_spearman": "test Spearman",
        "test_pearson": "test Pearson",
        "test_rmse": "test RMSE",
        "test_mae": "test MAE",
    }
    rows = [
        {
            "predictor": _name(row),
            "seeds": row["seeds"] if row["kind"] == "configuration" else "-",
            **{title: _cell(row, key) for key, title in titles.items()},
            "s a cell": number(row["training_seconds"], 0),
        }
        for _, row in table.iterrows()
    ]
    return markdown_table(pd.DataFrame(rows))


def _novelty_and_ensemble(table: pd.DataFrame) -> list[str]:
    first = table.iloc[0]
    similar = f"similar (n = {first['test_similar_n']})"
    new = f"new (n = {first['test_new_n']})"
    rows = [
        {
            "predictor": _name(row),
            "all": _cell(row, "test_spearman"),
            similar: _cell(row, "test_similar_spearman"),
            new: _cell(row, "test_new_spearman"),
            "all, ensemble": number(row["test_spearman_ensemble"]),
            f"{similar}, ensemble": number(row["test_similar_spearman_ensemble"]),
            f"{new}, ensemble": number(row["test_new_spearman_ensemble"]),
        }
        for _, row in table.iterrows()
    ]
    return [
        f"Test Spearman by novelty (similar: a chain at least {NOVELTY_IDENTITY:.0%} identical to a training "
        "chain, over 80 % of the shorter; new: none), and of the ensemble, the mean prediction of the seeds:",
        "",
        *markdown_table(pd.DataFrame(rows)),
    ]


def _capped(table: pd.DataFrame) -> list[str]:
    titles = {"spearman": "Spearman", "pearson": "Pearson", "rmse": "RMSE", "mae": "MAE"}
    rows = [
        {
            "predictor": _name(row),
            **{title: _cell(row, f"test_capped_{key}") for key, title in titles.items()},
        }
        for _, row in table.iterrows()
    ]
    return [
        "The same test predictions against capped labels, abs(log10(Kd / M + 1e-10)), only to compare with "
        "published numbers (arXiv 2505.20036):",
        "",
        *markdown_table(pd.DataFrame(rows)),
    ]


def _pairs(pairs: pd.DataFrame) -> list[str]:
    if pairs.empty:
        return []
    different = int((pairs["p_holm"] < _SIGNIFICANT).sum())
    rows = [
        {
            "first": row["first"],
            "second": row["second"],
            "difference": f"{row['difference']:+.3f}",
            "95 % interval": f"{row['lower']:+.3f} to {row['upper']:+.3f}",
            "p": number(row["p"], 4),
            "p, Holm": number(row["p_holm"], 4),
        }
        for _, row in pairs.iterrows()
    ]
    return [
        "Differences of test Spearman between the ensembles (first - second): paired bootstrap of whole "
        f"groups, {TEST_RESAMPLES:,} resamples, two-sided, Holm's correction over the {len(pairs)} pair(s) "
        f"of this split. {different} of them differ at {_SIGNIFICANT:.0%}. Seeds are not resampled: this is "
        "about these trained ensembles, not about training again.",
        "",
        *markdown_table(pd.DataFrame(rows)),
    ]


def _ranks(plan: StudyPlan, ranks: pd.DataFrame) -> list[str]:
    rows = [
        {
            "configuration": row["configuration"],
            "mean rank": number(row["rank"]),
            "95 % interval": f"{number(row['lower'])} to {number(row['upper'])}",
        }
        for _, row in ranks.iterrows()
    ]
    if ranks.empty:
        return ["## Ranks", "", "No configuration has a result on every split.", ""]
    absent = [item.name for item in plan.configurations if item.name not in set(ranks["configuration"])]
    lines = [
        "## Ranks",
        "",
        "The rank by test Spearman that one run of a configuration takes among one run of each other, on "
        f"average over splits and all choices of seeds. The intervals are of {RANK_RESAMPLES:,} bootstrap "
        "resamples of the test groups of each split and of the seeds of each configuration. Splits of one "
        "data set share complexes and seeds are few, so these intervals are rather too narrow; a critical "
        "difference (Demsar 2006) would suppose many independent data sets, and is not drawn.",
        "",
        "![mean ranks](rank.png)",
        "",
    ]
    if absent:
        lines += [f"Without a result on every split, and so not ranked: {', '.join(absent)}.", ""]
    return [*lines, *markdown_table(pd.DataFrame(rows))]


def _commands(plan: StudyPlan) -> list[str]:
    commands = [plan.command(cell) for cell in plan.cells]
    return [
        "## Commands",
        "",
        "Each makes the model of one cell again, in the folder of this report:",
        "",
        "```",
        *commands,
        "```",
        "",
    ]


def _name(row: pd.Series) -> str:
    return str(row["predictor"]) if row["kind"] == "configuration" else f"*{row['predictor']}*"


def _cell(row: pd.Series, name: str) -> str:
    mean, deviation = number(row[f"{name}_mean"]), row[f"{name}_sd"]
    return mean if np.isnan(deviation) else f"{mean} +- {number(deviation)}"
