"""The published workbook and the SKEMPI table, as they come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data_curation.errors import SourceError
from data_curation.sources.censoring import censored_rows, read_skempi
from data_curation.sources.tables import read_sequence_table, read_workbook

ROWS = Path(__file__).resolve().parent.parent / "data" / "measured_rows.csv.gz"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(ROWS, dtype=str, keep_default_na=False)


def workbook(table: pd.DataFrame, path: Path) -> Path:
    table.drop(columns=["row", "ligand_sequences", "receptor_sequences"]).to_excel(path, index=False)
    return path


def test_workbook_says_the_same_as_the_table_but_for_the_sequences(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    ordered = table.sort_values("row", key=lambda column: column.astype(int))
    read = read_workbook(workbook(ordered, tmp_path / "workbook.xlsx"))
    for number, (found, known) in enumerate(zip(read, read_sequence_table(ROWS), strict=True)):
        blank = {"ligand": (), "receptor": (), "sequence_source": "", "chain_confidence": ""}
        assert found == replace(known, row=number, **blank)


def test_wrong_workbooks(table: pd.DataFrame, tmp_path: Path) -> None:
    renamed = workbook(table.rename(columns={"KD(M)": "KD(nM)"}), tmp_path / "renamed.xlsx")
    with pytest.raises(SourceError, match=r"missing column\(s\) KD\(M\)"):
        read_workbook(renamed)
    for kd in ("0", "-1e-9", "5 nM"):
        wrong = workbook(table.assign(**{"KD(M)": kd}), tmp_path / "kd.xlsx")
        with pytest.raises(SourceError, match=f"row 2: KD\\(M\\) is '{kd}'"):
            read_workbook(wrong)
    with pytest.raises(SourceError, match="no such file"):
        read_workbook(tmp_path / "absent.xlsx")
    (tmp_path / "text.xlsx").write_text("not a workbook")
    with pytest.raises(SourceError, match="not a readable workbook"):
        read_workbook(tmp_path / "text.xlsx")


SKEMPI_COLUMNS = (
    "#Pdb;Mutation(s)_cleaned;Affinity_mut (M);Affinity_mut_parsed;"
    "Affinity_wt (M);Affinity_wt_parsed;Reference\n"
)
SKEMPI_ROWS = """1CSE_E_I;LI38G;>5.26E-11;5.26E-11;1.12E-12;1.12E-12;9048543
1CSE_E_I;LI38S,KI7D;<1E-11;1E-11;1.12E-12;1.12E-12;9048543
1CSE_E_I;LI38W;n.b;;1.12E-12;1.12E-12;9048543
1CSE_E_I;LI38P;>2E-9;2E-9;<3E-12;3E-12;1
1CSE_E_I;LI38P;2E-9;2E-9;<3E-12;3E-12;2
"""
SKEMPI = SKEMPI_COLUMNS + SKEMPI_ROWS


def test_bounds_are_found_by_entry_mutations_and_value(tmp_path: Path) -> None:
    path = tmp_path / "skempi.csv"
    path.write_text(SKEMPI)
    known = read_skempi(path)
    template = read_sequence_table(ROWS)[0]

    def row(number: int, mutations: str, kd: float, pubmed: str = "9048543") -> object:
        names = tuple(mutations.split())
        return replace(
            template,
            row=number,
            source="SKEMPI v2.0",
            pdb="1CSE",
            mutations=names,
            kd_molar=kd,
            affinity_pubmed_id=pubmed,
        )

    rows = [
        row(1, "I_L38G", 5.26e-11),
        row(2, "I_K7D I_L38S", 1e-11),  # mutations in another order
        row(3, "", 1.12e-12),
        row(4, "I_L38G", 7e-11),  # another value
        row(5, "I_L38P", 2e-9, "1"),
        row(6, "I_L38P", 2e-9, "2"),  # exact in this paper
        row(7, "I_L38P", 2e-9, "3"),  # exact in one of the two
        row(8, "", 3e-12, "1"),
        replace(row(9, "I_L38G", 5.26e-11), source="ATLAS"),  # type: ignore[type-var]
        row(10, "I_L38", 5.26e-11),  # no mutation: the cleaning drops it
    ]
    assert censored_rows(rows, known) == {1: ">", 2: "<", 5: ">", 8: "<"}


def test_wrong_skempi_tables(tmp_path: Path) -> None:
    path = tmp_path / "skempi.csv"
    path.write_text(SKEMPI.replace("Reference", "Ref"))
    with pytest.raises(SourceError, match=r"missing column\(s\) Reference"):
        read_skempi(path)
    path.write_text(SKEMPI.replace("LI38G", "L38"))
    with pytest.raises(SourceError, match="line 2: .*'L38'"):
        read_skempi(path)
    with pytest.raises(SourceError, match="no such file"):
        read_skempi(tmp_path / "absent.csv")
