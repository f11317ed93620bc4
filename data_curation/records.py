"""The record of the curation: one measured affinity of one complex."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

#: Affinity methods, most trusted first (order published with the curated data set).
METHOD_PRIORITY = (
    "SPR",
    "ITC",
    "BLI",
    "RA",
    "FL",
    "SP",
    "ELISA",
    "IASP",
    "IARA",
    "IAGE",
    "Other",
    "Unknown",
)


#: Split protocols, see `data_curation.splits.protocols`.
Protocol = Literal["reference", "strict", "kfold", "cold-target"]

#: ``canonical``: blind to roles and chain order, mean of pKd. ``reference``: as published, in the order of
#: the workbook, mean of Kd.
Combination = Literal["canonical", "reference"]

#: Columns of the funnel, which counts the rows that each step of a curation left.
FUNNEL_COLUMNS = ("step", "dropped", "corrected", "rows", "published_rows")
#: No measured Kd is above 1 mol/L; a larger number is in another unit.
LARGEST_KD = 1.0
#: Temperatures in kelvin at which binding is measured; a value outside is in another unit.
LOWEST_KELVIN, HIGHEST_KELVIN = 200, 400
#: Parts of a split.
TRAIN, VALIDATION, TEST = "train", "validation", "test"


@dataclass(frozen=True)
class BindingRecord:
    """One row of a raw table, with the sequences of its chains.

    Attributes
    ----------
    row
        0-based row of the PPB-Affinity workbook.
    source
        Data set that the row came from, e.g. ``SKEMPI v2.0``.
    pdb
        PDB identifier, upper case.
    mutations
        Mutations as written in the workbook, e.g. ``("I_L38G",)``; already applied to the sequences.
    ligand_chains, receptor_chains
        Chain identifiers of each side, in the order of the workbook.
    ligand, receptor
        Residues of each chain, one-letter code; empty where they are not known.
    kd_molar
        Dissociation constant in mol/L, above zero.
    method
        Affinity method, one of `METHOD_PRIORITY`.
    temperature_kelvin
        Temperature of the measurement, or None.
    sequence_source, chain_confidence
        Source of the residues, and confidence of the boundaries between chains.
    """

    row: int
    source: str
    pdb: str
    mutations: tuple[str, ...]
    ligand_chains: tuple[str, ...]
    receptor_chains: tuple[str, ...]
    ligand: tuple[str, ...]
    receptor: tuple[str, ...]
    kd_molar: float
    method: str
    temperature_kelvin: float | None = None
    ligand_name: str = ""
    receptor_name: str = ""
    affinity_pubmed_id: str = ""
    sequence_source: str = ""
    chain_confidence: str = ""

    @property
    def pkd(self) -> float:
        """-log10(Kd / 1 M)."""
        return -math.log10(self.kd_molar)

    @property
    def chains(self) -> tuple[str, ...]:
        """Sequences of both sides, ligand first."""
        return self.ligand + self.receptor


@dataclass(frozen=True)
class Sides:
    """The properties of a complex that the split protocols use."""

    id: str
    pdb: str
    ligand: tuple[str, ...]
    receptor: tuple[str, ...]

    @property
    def chains(self) -> tuple[str, ...]:
        """Residues of the chains of both sides."""
        return self.ligand + self.receptor
