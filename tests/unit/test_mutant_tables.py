"""Mutants by name, one by one or in a table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ppi.errors import InputError
from ppi.io.mutants import named_mutants


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".csv.gz"])
def test_a_table_stands_for_its_mutants(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"designs{suffix}"
    frame = pd.DataFrame({"Mutant": ["ligand:1:H100A", None, " H:Y100aA+H:A1G "], "well": ["A1", "A2", "A3"]})
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert named_mutants(["K25A", str(path)]) == ("K25A", "ligand:1:H100A", "H:Y100aA+H:A1G")


def test_a_table_without_mutants_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("name,pkd\na,7\n")
    with pytest.raises(InputError, match="t.csv: no column mutant; the columns are name, pkd"):
        named_mutants([str(path)])
    path.write_text("mutant,pkd\n,7\n")
    with pytest.raises(InputError, match="the column mutant is empty"):
        named_mutants([str(path)])
