"""From complexes to embedded, batched units."""

from __future__ import annotations

from typing import Literal

#: What becomes of the residues of a unit in a file: ``none``, a row for each; ``mean``, their average.
Pool = Literal["none", "mean"]
