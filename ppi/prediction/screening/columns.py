"""The table of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ppi.io.predictions import COLUMNS as OF_PREDICTIONS

if TYPE_CHECKING:
    import pyarrow as pa

_FROM_PREDICTIONS = (
    "pkd",
    "pkd_std",
    "pkd_lower",
    "pkd_upper",
    "kd_molar",
    "partner_score",
    "novelty",
    "ligand_identity",
    "receptor_identity",
    "pair_identity",
    "nearest_complex",
    "nearest_pkd",
    "anchors",
    "warnings",
    "truncated",
    "model",
)
#: The columns of a screen, in order, and what each holds.
COLUMNS = {
    "ligand": "id of the ligand",
    "receptor": "id of the receptor",
    "rank": "where the pair stands among all pairs of its target, from 1, by pKd; where pKd is equal, by the "
    "lower end of the interval; pairs that are equal in both share a rank",
    "overlapping": "how many other pairs of the target have an interval that overlaps with this one's: by "
    "their intervals they cannot be told apart",
    "z_score": "pKd minus the mean of all pairs of the target, over their standard deviation; empty for "
    "fewer than 10 pairs",
} | {name: OF_PREDICTIONS[name] for name in _FROM_PREDICTIONS}
_TEXT = ("ligand", "receptor", "novelty", "nearest_complex", "warnings", "model")
_COUNTS = ("rank", "overlapping", "anchors")


def schema() -> pa.Schema:
    """Return the columns as Parquet has them; texts that repeat are stored once."""
    import pyarrow as pa

    def kind(name: str) -> pa.DataType:
        if name in _TEXT:
            return pa.dictionary(pa.int32(), pa.string())
        if name in _COUNTS:
            return pa.int32()
        return pa.bool_() if name == "truncated" else pa.float64()

    return pa.schema([(name, kind(name)) for name in COLUMNS])
