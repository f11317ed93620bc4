"""What trains and what tests: the split of a table, and the rows that are left out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from data_curation.errors import AssignmentError
from ppi.datasets import split_dataset
from ppi.errors import InputError, PpiWarning
from ppi.training.split_data import read_split_data


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = pd.DataFrame({"id": list("abcd"), "ligand": "MKV", "receptor": "GGS", "pkd": [6.0, 7.0, 8.0, 9.0]})
    rows["split_strict"] = ["train", "validation", "test", None]
    rows["mine"] = ["test", "train", "train", "train"]
    rows["censored"] = ["", "", ">", ""]
    rows.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def parts(path: Path, split: str | Path | None = None) -> dict[str, str]:
    table = split_dataset(path, split)
    return {
        item.id: part for item, part in zip(table.complexes, table.columns["split"].tolist(), strict=True)
    }


def test_split_is_a_column_or_a_file_and_bounds_are_left_out(path: Path) -> None:
    assert parts(path) == {"a": "train", "b": "validation"}
    assert parts(path, "mine") == {"a": "test", "b": "train", "d": "train"}
    split = path.with_name("split.csv")
    split.write_text("id,split\nd,test\nb,train\n")
    with pytest.warns(PpiWarning, match=r"2 of 4 complexes have no part in .*split.csv .*, the first is 'a'"):
        assert parts(path, split) == {"b": "train", "d": "test"}
    own = pd.read_csv(path).assign(split="train")
    own.to_csv(path, index=False)
    assert parts(path) == {"a": "train", "b": "train", "d": "train"}


def test_what_is_no_split_is_refused(path: Path) -> None:
    with pytest.raises(AssignmentError, match="neither a column nor a file"):
        split_dataset(path, "absent")
    path.with_name("split.csv").write_text("id,split\nz,test\n")
    with pytest.raises(AssignmentError, match="1 id\\(s\\) are not in the table, the first is 'z'"):
        split_dataset(path, path.with_name("split.csv"))
    pd.read_csv(path).assign(censored=False).to_csv(path, index=False)
    with pytest.raises(InputError, match="censored holds 'False'; <, >, ~ and an empty cell are allowed"):
        split_dataset(path)
    pd.read_csv(path).drop(columns="split_strict").to_csv(path, index=False)
    with pytest.raises(InputError, match="no column split or split_strict"):
        split_dataset(path)


def test_rows_without_a_part_in_a_column_and_complete_files_have_no_warning(
    path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path.with_name("split.csv").write_text("id,split\na,train\nb,validation\nc,test\nd,train\n")
    parts(path)
    parts(path, path.with_name("split.csv"))
    assert not recwarn.list


def test_a_part_of_one_complex_is_an_error_about_the_split(path: Path) -> None:
    path.with_name("split.csv").write_text("id,split\na,train\nb,train\nd,validation\n")
    with (
        pytest.warns(PpiWarning),
        pytest.raises(InputError, match="split has only 1 validation complex, 'd'"),
    ):
        read_split_data(path, path.with_name("split.csv"))
