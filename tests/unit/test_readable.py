"""Predictions as text."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from ppi.io.predictions import COLUMNS
from ppi.io.readable import molar, readable


def table(**changes: Any) -> pd.DataFrame:
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    row |= {"id": "mine", "pkd": 9.0, "pkd_lower": 8.0, "pkd_upper": 10.5, "novelty": "familiar"}
    row |= {"nearest_complex": "1ABC_A_B", "pair_identity": 0.95, "nearest_pkd": 8.77, "anchors": 0}
    return pd.DataFrame([row | changes])


def test_a_prediction_is_a_few_lines() -> None:
    assert readable(table(warnings="long run of A", anchors=3)) == (
        "mine\n"
        "  pKd 9.00 (90 % interval 8.00 to 10.50), Kd 1 nM (32 pM to 10 nM)\n"
        "  familiar: the nearest measured complex is 1ABC_A_B (identity 0.95, pKd 8.77)\n"
        "  The prediction starts from 3 measured complexes.\n"
        "  Note: long run of A\n"
    )


def test_what_does_not_enter_the_prediction_is_named() -> None:
    assert "alone; this measurement does not enter it" in (readable(table()) or "")
    new = readable(table(novelty="new", nearest_complex="", pair_identity=0.0, nearest_pkd=float("nan")))
    assert new is not None
    assert new.splitlines()[2:] == ["  new: no training complex resembles both sides"]
    unknown = readable(table(pair_identity=float("nan"), nearest_pkd=float("nan"), novelty=None))
    assert len((unknown or "").splitlines()) == 2


def test_ten_are_shown_and_the_others_counted() -> None:
    text = readable(pd.concat([table()] * 1234, ignore_index=True)) or ""
    assert text.count("mine") == 10
    assert text.endswith("... and 1,224 more\n")
    assert readable(table().drop(columns="pkd_lower")) is None


@pytest.mark.parametrize(
    ("kd", "text"),
    [
        (3.2e-15, "3.2 fM"),
        (6.67e-10, "667 pM"),
        (9.996e-10, "1 nM"),
        (1e-7, "100 nM"),
        (2, "2 M"),
        (1e-17, "0.01 fM"),
    ],
)
def test_a_kd_has_the_unit_that_suits_it(kd: float, text: str) -> None:
    assert molar(kd) == text
