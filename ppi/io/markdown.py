"""Tables as Markdown."""

from __future__ import annotations

import pandas as pd


def markdown_table(frame: pd.DataFrame) -> list[str]:
    """Return a table as lines of Markdown, with an empty one after it."""
    rows = [list(frame.columns), ["---"] * len(frame.columns), *frame.astype(str).to_numpy().tolist()]
    return [*(f"| {' | '.join(row)} |" for row in rows), ""]
