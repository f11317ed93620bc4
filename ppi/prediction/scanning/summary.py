"""A scan in words: the wild type, how familiar it is, hot spots and stabilising substitutions."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ppi.prediction.scanning.labels import residue_name
from ppi.prediction.scanning.scan import Scan, ScannedComplex

#: Sites and mutants that a summary shows; so few mutants are all shown.
SHOWN, FEW = 5, 20

LIMITS = (
    "ddG is dG(mutant) - dG(wild type) in kcal/mol, positive for weaker binding. Predicted from sequence "
    "alone it ranks mutations, and says little of the size of an effect. A 90 % interval that contains 0 "
    "means that the change is below the model's noise. Folding, expression and aggregation are not "
    "predicted. Measure before you rely on it."
)


def summary_text(scan: Scan) -> str:
    """Return the summary of all complexes as plain text, in lines."""
    return "\n\n".join("\n".join(_lines(item)) for item in scan.complexes) + "\n"


def familiarity_sentence(item: ScannedComplex) -> str:
    """Return how the wild type is predicted, how familiar it is, and what the mutants start from."""
    row = item.prediction
    wild = f"Wild type: pKd {row['pkd']:.1f} ({row['pkd_lower']:.1f} to {row['pkd_upper']:.1f})"
    near = f"; the nearest training complex is {row['nearest_complex']}" if row["nearest_complex"] else ""
    pkd = (
        f" (measured pKd {row['nearest_pkd']:.1f})"
        if near and row["nearest_pkd"] == row["nearest_pkd"]
        else ""
    )
    novelty = f", {row['novelty']} to the model" if row["novelty"] else ""
    anchors = int(item.table["anchors"].max())
    start = (
        f"The mutants start from {anchors} measured complexes around it."
        if anchors
        else f"The mutants are predicted from {_source(item)}: nothing measured was used. "
        f"{'A complex' if item.known else 'No complex'} with measured effects of mutations resembles this one"
        f"{'.' if item.known else ', which makes the intervals wider.'}"
    )
    return f"{wild}{novelty}{near}{pkd}. {start}"


def _source(item: ScannedComplex) -> str:
    return "sequence and structure" if item.located else "sequence alone"


def site_table(item: ScannedComplex) -> pd.DataFrame:
    """Return one row a site with single mutants, the highest mean ddG first.

    Columns: `site`, `mutants` (how many), `mean_ddg` and `largest_ddg` in kcal/mol, `largest`, `interface`.
    """
    rows = []
    for _, group in item.singles().groupby(["side", "chain", "position"], sort=False):
        top = group.iloc[int(group["ddg_kcal_mol"].to_numpy().argmax())]
        rows.append(
            {
                "site": residue_name(top.to_dict(), top["wild_residue"]),
                "mutants": len(group),
                "mean_ddg": group["ddg_kcal_mol"].mean(),
                "largest": top["mutant_residue"],
                "largest_ddg": top["ddg_kcal_mol"],
                "interface": top["interface"],
            }
        )
    columns = ["site", "mutants", "mean_ddg", "largest", "largest_ddg", "interface"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("mean_ddg", ascending=False, kind="stable", ignore_index=True)


def strongest_binders(item: ScannedComplex) -> pd.DataFrame:
    """Return the mutants that are predicted to bind more strongly than the wild type, the best first."""
    better = item.table[item.table["ddg_kcal_mol"] < 0]
    return better.sort_values("ddg_kcal_mol", kind="stable")


def weakest_binders(item: ScannedComplex) -> pd.DataFrame:
    """Return the mutants that are predicted to bind more weakly than the wild type, the worst first."""
    worse = item.table[item.table["ddg_kcal_mol"] > 0]
    return worse.sort_values("ddg_kcal_mol", ascending=False, kind="stable")


def mutant_name(row: pd.Series) -> str:
    """Return the mutant, with chains and numbers of the structure in brackets where there are any."""
    if not row["author_number"]:
        return str(row["mutant"])
    parts = zip(
        *(
            str(row[column]).split("+")
            for column in ("chain_name", "wild_residue", "author_number", "mutant_residue")
        ),
        strict=True,
    )
    return (
        f"{row['mutant']} ({'+'.join(f'{chain}:{wild}{number}{new}' for chain, wild, number, new in parts)})"
    )


def alanine_sentence(shown: pd.DataFrame) -> str | None:
    """Warn of stabilising substitutions of alanines, where some are among the shown ones."""
    if not shown["wild_residue"].str.contains("A").any():
        return None
    return (
        "Substitutions of alanines come out too favourable: most measured mutations are to alanine, and the "
        "model takes the way back to have the opposite effect."
    )


def no_gain_sentence(item: ScannedComplex) -> str | None:
    """Say that no stabilising substitution is beyond the noise, where none is."""
    better = strongest_binders(item)
    if better.empty:
        return "No mutant is predicted to bind more strongly."
    if better["within_noise"].all():
        return "None of these is beyond the model's noise."
    return None


def _lines(item: ScannedComplex) -> Iterator[str]:
    table = item.table
    beyond = int((~table["within_noise"]).sum())
    count = "1 mutant" if len(table) == 1 else f"{len(table):,} mutants"
    yield f"{item.wild.id}: {count}, {beyond:,} beyond the model's noise"
    yield familiarity_sentence(item)
    if item.prediction["warnings"]:
        yield f"Warning: {item.prediction['warnings']}."
    if len(table) <= FEW:
        yield "ddG in kcal/mol (positive: weaker binding), with 90 % intervals:"
        yield from _mutant_lines(table)
        yield from filter(None, [alanine_sentence(strongest_binders(item))])
        return
    sites = site_table(item).head(SHOWN)
    if len(sites) and sites["mutants"].max() > 1:
        yield "Hot spots, by the mean ddG of a site in kcal/mol (positive: weaker binding):"
        for site in sites.to_dict("records"):
            yield (
                f"  {site['site']:28s} {site['mean_ddg']:6.2f}   largest {site['largest']} "
                f"{site['largest_ddg']:.2f}   interface {site['interface']:.2f}"
            )
    else:
        yield "Mutants that weaken binding most, with 90 % intervals in kcal/mol (positive: weaker binding):"
        yield from _mutant_lines(weakest_binders(item).head(SHOWN))
    better = strongest_binders(item).head(SHOWN)
    if len(better):
        yield "Best stabilising mutants, with 90 % intervals:"
        yield from _mutant_lines(better)
    yield from filter(None, (no_gain_sentence(item), alanine_sentence(better)))


def _mutant_lines(rows: pd.DataFrame) -> Iterator[str]:
    for _, row in rows.iterrows():
        measured = row["measured_ddg"]
        yield (
            f"  {mutant_name(row):28s} {row['ddg_kcal_mol']:6.2f}   "
            f"({row['ddg_lower']:.2f} to {row['ddg_upper']:.2f})"
            f"{f'   measured {measured:.2f}' if measured == measured else ''}"
        )
