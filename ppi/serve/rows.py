"""Tables as JSON has them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one object a row; what is missing is None, because JSON has no NaN."""
    columns = {str(name): [_cell(value) for value in table[name].tolist()] for name in table.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _cell(value: Any) -> Any:
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
