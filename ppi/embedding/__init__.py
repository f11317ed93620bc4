"""Embed complexes and batch their units."""

from __future__ import annotations

from typing import Literal

#: Pooling of the residues of a unit in a file: ``none`` (one row each) or ``mean`` (their average).
Pool = Literal["none", "mean"]
