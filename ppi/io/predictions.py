"""The table of predictions: made from pKd, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pandas as pd

from data_curation.files import atomic_file
from ppi.errors import InputError

#: The columns of a prediction, in order, and what each holds.
COLUMNS = {
    "id": "name of the complex",
    "pkd": "predicted -log10(Kd / M), the mean over the ensemble",
    "pkd_std": "standard deviation between the members of the ensemble, with the noise that a "
    "heteroscedastic model predicts; empty where neither is known",
    "pkd_lower": "lower end of the calibrated 90 % interval",
    "pkd_upper": "upper end of the calibrated 90 % interval",
    "kd_molar": "the same as Kd in mol/L",
    "dg_kcal_mol": "the same as dG = -ln(10) R T pKd in kcal/mol",
    "partner_score": "0 to 1: whether the two sides look like partners, rather than put together at random; "
    "empty for a model that has not learnt it",
    "novelty": "familiar, half-familiar or new: both sides, one side or no side resembles one training "
    "complex",
    "ligand_identity": "highest identity (0 to 1) of the ligand to a side of a training complex; 0 where "
    "none resembles it",
    "receptor_identity": "the same of the receptor",
    "pair_identity": "the best, over training complexes and both role orders, of the lower of the two "
    "identities",
    "nearest_complex": "the training complex that has it; empty where it is 0",
    "nearest_pkd": "what was measured for that complex",
    "anchors": "how many measured complexes, a few substitutions away at most, the prediction starts from; 0 "
    "for a prediction of the model alone",
    "warnings": "what looks odd about the chains, what was changed in them, and, if pair_identity is at "
    "least 0.9, which residues or chains the complex lacks, or has beyond the nearest one",
    "truncated": "whether the complex was shortened",
    "model": "name of the model",
}
SUFFIXES = (".csv", ".tsv", ".parquet", ".json", ".xlsx")
#: Rows of a sheet of a workbook, its header included.
_SHEET_ROWS = 1_048_576
#: kcal / (mol K), CODATA 2018 R = 8.31446261815324 J / (mol K) over 4184 J / kcal.
GAS_CONSTANT = 8.31446261815324 / 4184
STANDARD_TEMPERATURE = 298.15
#: kcal/mol of dG a unit of pKd at this temperature.
KCAL_PER_PKD = math.log(10) * GAS_CONSTANT * STANDARD_TEMPERATURE


def kd_from_pkd(pkd: pd.Series) -> pd.Series:
    """Return Kd in mol/L."""
    return 10.0 ** (-pkd)


def dg_from_pkd(pkd: pd.Series, temperature_kelvin: pd.Series | float = STANDARD_TEMPERATURE) -> pd.Series:
    """Return the free energy of binding in kcal/mol: dG = -ln(10) R T pKd."""
    return -math.log(10.0) * GAS_CONSTANT * temperature_kelvin * pkd


def check_suffix(path: str | os.PathLike[str]) -> Path:
    """Return the path if predictions can be written in the format of its suffix.

    Raises
    ------
    InputError
        If they cannot.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise InputError(f"{target}: unknown suffix {target.suffix!r}; {', '.join(SUFFIXES)} are written")
    return target


def write_predictions(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write predictions in the format of the suffix, CSV, TSV, Parquet, JSON (a list of objects) or XLSX.

    Raises
    ------
    InputError
        If the suffix is another one, or a workbook cannot hold so many rows.
    data_curation.errors.OutputError
        If the file cannot be written.
    """
    target = check_suffix(path)
    if target.suffix.lower() == ".xlsx" and len(table) >= _SHEET_ROWS:
        raise InputError(
            f"{target}: a sheet holds {_SHEET_ROWS - 1:,} rows below its header, the table has "
            f"{len(table):,}; write .csv, .tsv or .parquet"
        )
    with atomic_file(target) as temporary:
        suffix = target.suffix.lower()
        if suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        elif suffix == ".xlsx":
            _write_workbook(table, temporary)
        elif suffix == ".json":
            # to_json counts decimal places, not digits: it would write a Kd of 1e-9 as 0.
            rows = table.astype(object).to_dict("records")
            known = [{key: None if pd.isna(cell) else cell for key, cell in row.items()} for row in rows]
            temporary.write_text(json.dumps(known, indent=2) + "\n")
        else:
            format_csv(table, temporary, separator="\t" if suffix == ".tsv" else ",")


def _write_workbook(table: pd.DataFrame, target: Path) -> None:
    """Write one sheet; text that begins with ``=`` stays text and is no formula."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("ppi")
    sheet.append(list(table.columns))
    for row in table.astype(object).itertuples(index=False):
        cells = [WriteOnlyCell(sheet, None if pd.isna(cell) else cell) for cell in row]
        for cell in cells:
            if isinstance(cell.value, str):
                cell.data_type = "s"
        sheet.append(cells)
    workbook.save(target)


def format_csv(
    table: pd.DataFrame, target: Path | None = None, separator: str = ",", *, header: bool = True
) -> str | None:
    """Return the table as CSV text, or write it to `target`: six significant digits, empty if missing."""
    text: str | None = table.to_csv(target, index=False, sep=separator, float_format="%.6g", header=header)
    return text
