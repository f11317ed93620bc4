"""The next batch of variants to measure, by a model that was adapted to those that have been measured."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_curation.structures.chains import read_structure
from ppi.complexes import Complex
from ppi.effects.mutations import Side
from ppi.errors import InputError, ModelError
from ppi.io.inputs import Inputs
from ppi.prediction.adapting.cautions import warn_of_cautions
from ppi.prediction.adapting.folder import load_adapted
from ppi.prediction.adapting.measurements import sign_of
from ppi.prediction.adapting.model import AdaptedModel
from ppi.prediction.adapting.reading import read_variants
from ppi.prediction.adapting.surrogate import Surrogate
from ppi.prediction.scanning.labels import label_chains, named_table
from ppi.prediction.suggesting.acquisition import Acquisition, check_acquisition
from ppi.prediction.suggesting.batch import Batch, choose_batch, short_list
from ppi.prediction.suggesting.filters import filtered
from ppi.prediction.suggesting.liabilities import check_liabilities
from ppi.prediction.suggesting.measured import Measured
from ppi.prediction.suggesting.plate import check_fits
from ppi.prediction.suggesting.pool import Candidate, library_pool, listed_pool, scan_pool
from ppi.prediction.suggesting.table import Chosen, plate_table
from ppi.progress import progress_bar

#: Variants whose complexes are made and predicted at once.
_CHUNK = 10_000
#: Reference and best measured variant.
_CONTROLS = 2


@dataclass(frozen=True)
class Suggestion:
    """Variants to measure next.

    Attributes
    ----------
    table
        One row a well; see `ppi.prediction.suggesting.table.COLUMNS`.
    reference
        Name of the complex that the variants differ from.
    by, plate, seed
        How it was chosen.
    pool
        Variants that the pool had.
    removed
        How many were left out, by reason.
    measured
        How many variants have been measured.
    column, best, best_value
        What was measured, and name and value of the best one.
    """

    table: pd.DataFrame
    reference: str
    by: Acquisition
    plate: int
    seed: int
    pool: int
    removed: dict[str, int]
    measured: int
    column: str
    best: str
    best_value: float


def suggest(
    model: str | os.PathLike[str] | AdaptedModel | Surrogate,
    pool: Inputs | None = None,
    *,
    target: str | None = None,
    sites: str | Sequence[str] = (),
    library: str | Sequence[str] = (),
    structure: str | os.PathLike[str] | None = None,
    by: str = "expected-improvement",
    size: int = 24,
    most_mutations: int | None = None,
    avoid: str | Sequence[str] = (),
    plate: int = 96,
    controls: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Suggestion:
    """Choose the next variants to measure.

    Parameters
    ----------
    model
        Adapted to the variants that have been measured: what `ppi.adapt` returns, or its folder.
    pool
        Complexes to choose from; see `ppi.prediction.adapting.reading.read_variants`. They differ from the
        reference of the model by substitutions alone.
    target
        Which complex is meant, where the model was adapted to several.
    sites
        Instead of `pool`: all single mutants of these sites, such as ``ligand:1:95-102``; those of every
        residue where neither is given.
    library
        Instead of `pool`: all combinations of residues at positions, such as ``ligand:1:57=AKR``. The
        wild-type residue is allowed at every position.
    structure
        PDB or mmCIF file of the reference, whose names of chains and numbers of residues may then be used.
    by
        ``expected-improvement``, ``upper-bound`` or ``thompson``.
    size
        Variants of the batch, controls not counted.
    most_mutations
        Leave out variants with more mutations.
    avoid
        Leave out variants with new liabilities: ``glycosylation``, ``cysteine``, ``deamidation``, ...; see
        `ppi.prediction.suggesting.liabilities.MEANINGS`.
    plate
        Wells of the plate: 96 or 384.
    controls
        Put the reference and the best measured variant into the first wells.
    seed
        Seed of the draws from the posterior distribution.
    device
        For the language model of a folder: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    Suggestion
        Its `table` has one row a well.

    Raises
    ------
    ppi.errors.PpiError
        If the model cannot be loaded, the pool or an option does not fit, or the pool has fewer variants than
        the batch.
    data_curation.errors.StructureError
        If the structure cannot be read.

    Warns
    -----
    PpiWarning
        Where the measurements of a model that is loaded hardly support a ranking.
    """
    acquisition = check_acquisition(by)
    avoided = check_liabilities(_listed(avoid))
    if most_mutations is not None and most_mutations < 1:
        raise InputError(f"the most mutations of a variant are {most_mutations}; give 1 or more")
    check_fits(size, _CONTROLS * controls, plate)
    surrogate = _surrogate(model, target, device)
    wild, known = surrogate.wild, Measured.of(surrogate)
    candidates = _pool(
        wild, surrogate.chain_names, pool, _listed(sites), _listed(library), structure, most_mutations
    )
    left = filtered(wild, candidates, known.variants, most_mutations=most_mutations, avoid=avoided)
    if size > len(left.candidates):
        out = f" ({left})" if left.removed else ""
        raise InputError(
            f"the batch has {size} variants, but only {len(left.candidates):,} of the pool of "
            f"{len(candidates):,} may be suggested{out}. Give --size {len(left.candidates)} or less, or a "
            "larger pool"
        )
    chosen, batch = _chosen(surrogate, left.candidates, known.complexes, acquisition, size, seed)
    table = plate_table(surrogate, chosen, batch.scores, acquisition, known, plate, controls=controls)
    return Suggestion(
        table=table,
        reference=wild.id,
        by=acquisition,
        plate=plate,
        seed=seed,
        pool=len(candidates),
        removed=left.removed,
        measured=len(known.complexes),
        column=surrogate.column,
        best=known.best.id,
        best_value=sign_of(surrogate.column) * known.best_value,
    )


def _surrogate(
    model: str | os.PathLike[str] | AdaptedModel | Surrogate, target: str | None, device: str
) -> Surrogate:
    if isinstance(model, (str, os.PathLike)):
        loaded = load_adapted(model, device=device)
        chosen = loaded.surrogate(target)
        warn_of_cautions({chosen.name: chosen}, loaded.validations, stacklevel=3)
        return chosen
    return model.surrogate(target) if isinstance(model, AdaptedModel) else model


def _pool(
    wild: Complex,
    names: Mapping[Side, tuple[str, ...]],
    pool: Inputs | None,
    sites: Sequence[str],
    library: Sequence[str],
    structure: str | os.PathLike[str] | None,
    most_mutations: int | None,
) -> list[Candidate]:
    if sum([pool is not None, bool(sites), bool(library)]) > 1:
        raise InputError("give one pool: complexes, sites to scan, or a library")
    if pool is not None:
        return listed_pool(wild, read_variants(pool, named_table(wild, names)).complexes)
    labels = label_chains(wild, names, None if structure is None else read_structure(structure))
    if library:
        return library_pool(wild, labels, library, most_mutations)
    return scan_pool(wild, labels, sites)


def _chosen(
    model: Surrogate,
    candidates: Sequence[Candidate],
    measured: Sequence[Complex],
    by: Acquisition,
    size: int,
    seed: int,
) -> tuple[list[Chosen], Batch]:
    mean, std = _predicted(model, candidates)
    best = float(model.predict(measured)[0].max())
    listed = short_list(by, mean, std, best, size)
    complexes = [candidates[number].of(model.wild) for number in listed]
    batch = choose_batch(model, complexes, mean[listed], measured=measured, by=by, size=size, seed=seed)
    numbers = listed[batch.numbers]
    half = model.half_width(std[numbers])
    chosen = [
        Chosen(
            candidates[number].of(model.wild), candidates[number].variant, float(mean[number]), float(width)
        )
        for number, width in zip(numbers, half, strict=True)
    ]
    return chosen, batch


def _predicted(model: Surrogate, candidates: Sequence[Candidate]) -> tuple[np.ndarray, np.ndarray]:
    means, stds = list[np.ndarray](), list[np.ndarray]()
    with progress_bar("ranking", len(candidates), "variants") as advance:
        for start in range(0, len(candidates), _CHUNK):
            complexes = [item.of(model.wild) for item in candidates[start : start + _CHUNK]]
            mean, std = model.predict(complexes)
            wrong = np.flatnonzero(~(np.isfinite(mean) & np.isfinite(std)))
            if len(wrong):
                raise ModelError(
                    f"the adapted model gives no finite prediction of {complexes[wrong[0]].id!r}; adapt it "
                    "again"
                )
            means.append(mean)
            stds.append(std)
            advance(len(complexes))
    return np.concatenate(means), np.concatenate(stds)


def _listed(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
