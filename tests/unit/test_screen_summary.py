"""The ranking that is printed at the end of a screen."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ppi.prediction.screening import output as output_module
from ppi.prediction.screening.output import COLUMNS, join_parts, write_part
from ppi.prediction.screening.summary import ranking_text


def screened(folder: Path, suffix: str, targets: int, partners: int) -> Path:
    """Write the file of a screen; receptor `rI` has ligands `l0`, `l1`, ... in order of pKd."""
    rows = [
        dict.fromkeys(COLUMNS, None)
        | {"ligand": f"l{place}", "receptor": f"r{target}", "rank": place + 1, "overlapping": 2}
        | {"pkd": 9.0 - place, "pkd_lower": 8.0 - place, "pkd_upper": 10.0 - place, "anchors": 0}
        | {"truncated": False, "novelty": "new"}
        for target in range(targets)
        for place in range(partners)
    ]
    part, target = folder / f"part{suffix}", folder / f"screen{suffix}"
    write_part(pd.DataFrame(rows, columns=list(COLUMNS)), part)
    join_parts([part], target)
    return target


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_best_partners_are_shown_across_the_blocks_of_a_file(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_module, "_READ_ROWS", 3)
    path = screened(tmp_path, suffix, targets=2, partners=8)
    lines = ranking_text(path, "receptor", 2).splitlines()
    assert lines[0].startswith("Best ligands of each receptor")
    assert [line.split()[0] for line in lines[1:-1]] == ["r0", *"12345", "r1", *"12345"]
    assert lines[3].split()[:4] == ["2", "l1", "8.00", "(7.00"]
    assert lines[3].endswith("new")


def test_few_rows_of_few_targets_are_shown(tmp_path: Path) -> None:
    text = ranking_text(screened(tmp_path, ".csv", targets=7, partners=4), "receptor", 7)
    assert text.startswith("Best ligands of the first 5 of 7 receptors, by pKd")
    assert text.count("\n  ") == 10


def test_a_list_whose_intervals_all_overlap_is_called_so(tmp_path: Path) -> None:
    for partners, called in ((1, False), (3, True), (4, False)):  # intervals of pKd 9 to 6, each +- 1
        folder = tmp_path / str(partners)
        folder.mkdir()
        text = ranking_text(screened(folder, ".csv", targets=1, partners=partners), "receptor", 1)
        assert ("r0: none of these can be told apart" in text) == called


def test_anchors_are_shown_and_explained(tmp_path: Path) -> None:
    path = screened(tmp_path, ".csv", targets=1, partners=2)
    assert "anchor" not in ranking_text(path, "receptor", 1)
    rows = pd.read_csv(path)
    rows.assign(anchors=[1, 12]).to_csv(path, index=False)
    lines = ranking_text(path, "receptor", 1).splitlines()
    assert [lines[2].split("   ")[-1], lines[3].split("   ")[-1]] == ["1 anchor", "12 anchors"]
    assert lines[-1].startswith("anchors: how many measured complexes")


def test_targets_without_pairs_are_counted(tmp_path: Path) -> None:
    text = ranking_text(screened(tmp_path, ".csv", targets=3, partners=2), "receptor", 5)
    assert text.startswith("Best ligands of each receptor")
    assert "2 of 5 receptors have no pair in the output." in text


def test_a_screen_without_rows_has_no_ranking(tmp_path: Path) -> None:
    assert ranking_text(screened(tmp_path, ".csv", targets=0, partners=0), "ligand", 3) == ""
