"""How much each mutant of a complex binds more weakly or strongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ppi.complexes import Complex
from ppi.effects.features import Context
from ppi.effects.location import LOCATION_NAMES
from ppi.effects.model import EffectModel
from ppi.effects.mutations import SIDES, Side
from ppi.io.predictions import KCAL_PER_PKD
from ppi.prediction.anchoring import AnchoredDifferences
from ppi.prediction.scanning.choice import Variant
from ppi.prediction.scanning.labels import ChainLabels

_INTERFACE = LOCATION_NAMES.index("interface")

#: The columns of a scan, in order, and what each holds. Of several mutations, entries are joined by ``+``.
COLUMNS = {
    "id": "name of the complex",
    "mutant": "its mutations: side, chain (counted from 1), wild type, position, mutant residue",
    "side": "ligand or receptor",
    "chain": "number of the chain in its side",
    "chain_name": "its name, where a FASTA record, a table or a structure gives one",
    "position": "position in the chain, counted from 1",
    "author_number": "number and insertion code of the residue in the structure, if one is given",
    "wild_residue": "residue before",
    "mutant_residue": "residue after",
    "ddg_kcal_mol": "best estimate of dG(mutant) - dG(wild type); positive: weaker binding",
    "ddg_lower": "lower end of its 90 % interval; empty where the model has none",
    "ddg_upper": "upper end of its 90 % interval",
    "within_noise": "whether the interval contains 0: the change is below the model's noise",
    "ddg_from_sequence": "ddG by the model of mutation effects alone, from sequence and, if it is given, "
    "from the structure",
    "interface": "predicted probability (0 to 1) that the residue is at the interface; 0 or 1 by a "
    "structure; the highest one",
    "pkd": "predicted pKd of the mutant: that of the wild type, less ddG in pKd units",
    "measured_ddg": "measured ddG, where this mutant and the wild type are among the measured neighbours",
    "anchors": "measured complexes that the best estimate starts from; 0 where it is from sequence alone",
}


@dataclass(frozen=True)
class ScannedComplex:
    """The mutants of one complex.

    Attributes
    ----------
    wild
        Before any mutation.
    labels
        Labels of the chains of the complex.
    prediction
        Row of the wild type in the table of predictions; see `ppi.io.predictions.COLUMNS`.
    interface
        ``(L,)`` predicted probability of the residues of each chain, by side and number, to be at the
        interface.
    known
        Whether it resembles a complex whose measured effects the model of mutation effects has learnt from.
    located
        Whether a structure says where its residues lie.
    table
        One row a mutant; see `COLUMNS`.
    """

    wild: Complex
    labels: tuple[ChainLabels, ...]
    prediction: pd.Series
    interface: dict[tuple[Side, int], np.ndarray]
    known: bool
    located: bool
    table: pd.DataFrame

    def singles(self) -> pd.DataFrame:
        """Return the rows of single mutants, with integers as `chain` and `position`."""
        alone = self.table[~self.table["mutant"].str.contains("+", regex=False)]
        return alone.astype({"chain": int, "position": int})


@dataclass(frozen=True, repr=False)
class Scan:
    """What `ppi.prediction.predictor.Predictor.scan` finds.

    Attributes
    ----------
    complexes
        In the order of the input.
    """

    complexes: tuple[ScannedComplex, ...]

    def __repr__(self) -> str:
        """Return the numbers of complexes and mutants; the tables would fill pages."""
        mutants = sum(len(item.table) for item in self.complexes)
        return f"Scan(complexes={len(self.complexes)}, mutants={mutants})"

    @property
    def table(self) -> pd.DataFrame:
        """One row a mutant of all complexes; see `COLUMNS`."""
        return pd.concat([item.table for item in self.complexes], ignore_index=True)


def scan_complex(
    wild: Complex,
    labels: tuple[ChainLabels, ...],
    variants: Sequence[Variant],
    prediction: pd.Series,
    effects: EffectModel,
    anchored: AnchoredDifferences | None,
    quantile: float,
    *,
    known: bool,
    located: tuple[np.ndarray, np.ndarray] | None = None,
) -> ScannedComplex:
    """Put together what is known of the mutants of a complex.

    Parameters
    ----------
    wild, labels, prediction, known
        See `ScannedComplex`.
    variants
        ``V`` mutants.
    effects
        The model of mutation effects.
    anchored
        What follows from measured neighbours, if there are any.
    quantile
        Quantile of the errors of anchored predictions, in units of their standard deviation.
    located
        Where residues lie in a structure; see `ppi.effects.model.EffectModel.context`.
    """
    context = effects.context(wild, located)
    from_sequence = effects.ddg_in(context, variants)
    interface = _interface(wild, context)
    best, half_width = from_sequence.copy(), _half_width(effects, context, variants, known)
    measured: np.ndarray = np.full(len(variants), np.nan)
    anchors = np.zeros(len(variants), dtype=int)
    if anchored is not None:
        placed = np.isfinite(anchored.pkd)
        best[placed] = -KCAL_PER_PKD * anchored.pkd[placed]
        half_width[placed] = KCAL_PER_PKD * quantile * anchored.std[placed]
        anchors[placed] = anchored.neighbours
        measured = -KCAL_PER_PKD * anchored.measured
    columns = {
        "ddg_kcal_mol": best,
        "ddg_lower": best - half_width,
        "ddg_upper": best + half_width,
        "within_noise": np.isnan(half_width) | (np.abs(best) <= half_width),
        "ddg_from_sequence": from_sequence,
        "interface": [
            max(float(interface[item.side, item.chain][item.position - 1]) for item in variant)
            for variant in variants
        ],
        "pkd": float(prediction["pkd"]) - best / KCAL_PER_PKD,
        "measured_ddg": measured,
        "anchors": anchors,
    }
    described = pd.DataFrame([_described(wild, labels, variant) for variant in variants])
    table = described.assign(**columns)[list(COLUMNS)]
    if all(len(variant) == 1 for variant in variants):
        table = table.astype({"chain": int, "position": int})
    return ScannedComplex(wild, labels, prediction, interface, known, located is not None, table)


def _interface(wild: Complex, context: Context) -> dict[tuple[Side, int], np.ndarray]:
    """Return the probabilities of the residues of each chain to be at the interface."""
    found: dict[tuple[Side, int], np.ndarray] = {}
    for side, locations in zip(SIDES, context.locations, strict=True):
        ends = np.cumsum([len(chain) for chain in getattr(wild, side)])
        for number, part in enumerate(np.split(locations[:, _INTERFACE], ends[:-1]), start=1):
            found[side, number] = part
    return found


def _half_width(
    effects: EffectModel, context: Context, variants: Sequence[Variant], known: bool
) -> np.ndarray:
    """Return the half widths of what the model of effects says; NaN where it has no interval."""
    parts = effects.parts
    from_structure = context.from_structure and parts.structure_forest is not None
    interval = parts.structure_interval if from_structure else parts.interval
    if interval is None:
        return np.full(len(variants), np.nan)
    return interval.half_width(np.array([len(each) for each in variants]), new=not known)


def _described(wild: Complex, labels: Sequence[ChainLabels], variant: Variant) -> dict[str, object]:
    of = {(label.side, label.chain): label for label in labels}
    chains = [of[item.side, item.chain] for item in variant]
    numbers = [label.number(item.position) for label, item in zip(chains, variant, strict=True)]

    def joined(parts: Sequence[object]) -> str | None:
        return "+".join("-" if part is None else str(part) for part in parts) if any(parts) else None

    return {
        "id": wild.id,
        "mutant": joined(variant),
        "side": joined([item.side for item in variant]),
        "chain": joined([item.chain for item in variant]),
        "chain_name": joined([label.name for label in chains]),
        "position": joined([item.position for item in variant]),
        "author_number": joined(numbers),
        "wild_residue": joined([item.wild for item in variant]),
        "mutant_residue": joined([item.mutant for item in variant]),
    }
