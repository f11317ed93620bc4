"""Adapt the model of mutation effects to measured variants of one complex, or of a few."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from ppi.effects.model import EffectModel
from ppi.errors import InputError
from ppi.io.inputs import Inputs
from ppi.io.tables import ComplexTable
from ppi.models.files import WEIGHTS_HASH
from ppi.prediction.adapting.adapted import AdaptedComplex
from ppi.prediction.adapting.cautions import warn_of_cautions
from ppi.prediction.adapting.describer import EffectDescriber
from ppi.prediction.adapting.measurements import Measured, measurements
from ppi.prediction.adapting.model import AdaptedModel
from ppi.prediction.adapting.observed import observe
from ppi.prediction.adapting.reading import MEASUREMENTS, read_variants, read_wild
from ppi.prediction.adapting.reference import medoid, placed_onto
from ppi.prediction.adapting.validation import validate
from ppi.prediction.scanning.labels import names_of

_LOG = logging.getLogger(__name__)


def adapt(
    variants: Inputs,
    *,
    wild: Inputs | None = None,
    value: str | None = None,
    effects: EffectModel | None = None,
    device: str = "auto",
    seed: int = 0,
) -> AdaptedModel:
    """Learn from measured variants of one complex, or of a few, to rank further variants.

    Parameters
    ----------
    variants
        A table with ``ligand`` and ``receptor``, or with ``mutant`` (``ligand:1:H102A+receptor:1:D39A``)
        where a wild type is given, and one of ``pkd``, ``kd_molar``, ``ddg_kcal_mol`` and ``score`` (any
        unit; higher is better); perhaps ``censored`` and ``target``.
    wild
        The wild type: the reference. By default the variant with the fewest differences from all others.
    value
        Column to learn from, where there are several, or it is called otherwise; higher is better, but for
        ``ddg_kcal_mol``.
    effects
        Model of mutation effects to start from; by default that in the package.
    device
        For its language model: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    seed
        Seed of the draws of the learning curve.

    Raises
    ------
    InputError
        If the table cannot be read, the variants differ by more than substitutions, or nothing can be learnt.

    Warns
    -----
    PpiWarning
        Where the measurements hardly support a ranking.
    """
    reference = None if wild is None else read_wild(wild)
    measured = measurements(read_variants(variants, reference, forms=MEASUREMENTS), value)
    names = list(dict.fromkeys(measured.target))
    if reference is not None and len(names) > 1:
        raise InputError(
            f"one wild type is given, but there are {len(names)} targets; leave it out, or adapt "
            "them one by one"
        )
    model = EffectModel.load(device=device, on_disk=False) if effects is None else effects
    targets = {name: _adapted(name, _of_target(measured, name), reference, model) for name in names}
    validations = {
        name: validate(each.posterior, each.observed, each.widening, seed=seed)
        for name, each in targets.items()
    }
    warn_of_cautions(targets, validations)
    base = {"name": model.name, WEIGHTS_HASH: str(model.manifest.get(WEIGHTS_HASH))}
    return AdaptedModel(targets, validations, base)


def _adapted(name: str, measured: Measured, wild: ComplexTable | None, model: EffectModel) -> AdaptedComplex:
    where = f"target {name}" if name else "the measured variants"
    if wild is None:
        reference, chains = medoid(measured.complexes), {}
        _LOG.info(
            "%s: no wild type is given, so the reference is %r, the variant with the fewest differences "
            "from all others; with --wild FILE it is the wild type of that file",
            where,
            reference.id,
        )
    else:
        reference, chains = wild.complexes[0], names_of(wild, 0)
    placed = placed_onto(measured.complexes, reference, which=where)
    try:
        observed = observe(placed, measured)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    # Without its pKd: the reference is where mutations start from, and no measurement.
    return AdaptedComplex(
        replace(reference, pkd=None),
        observed,
        EffectDescriber(model, reference),
        name=name,
        chain_names=chains,
    )


def _of_target(measured: Measured, name: str) -> Measured:
    rows = np.flatnonzero(measured.target == name)
    return replace(
        measured,
        complexes=[measured.complexes[row] for row in rows],
        value=measured.value[rows],
        side=measured.side[rows],
        target=measured.target[rows],
    )
