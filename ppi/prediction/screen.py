"""Screen ligands against receptors in one call."""

from __future__ import annotations

import os

from ppi.engines.build import EngineName
from ppi.io.pairs import PairInputs
from ppi.io.sides import SideInputs
from ppi.models.folder import DEFAULT_MODEL, TrainedModel
from ppi.prediction.predictor import Predictor
from ppi.prediction.screening.output import check_output
from ppi.prediction.screening.run import MAX_HOURS, ScreenSummary
from ppi.prediction.screening.settings import ScreenSettings


def screen(
    ligands: SideInputs,
    receptors: SideInputs,
    output: str | os.PathLike[str],
    *,
    pairs: PairInputs | None = None,
    settings: ScreenSettings | None = None,
    resume: bool = False,
    max_hours: float = MAX_HOURS,
    workers: int | None = None,
    engine: EngineName = "local",
    model: str | os.PathLike[str] | TrainedModel = DEFAULT_MODEL,
    device: str = "auto",
    store: str | os.PathLike[str] | None = None,
    novelty: bool = True,
) -> ScreenSummary:
    """Predict many pairs of sides, rank them, and write them into a file block by block.

    Parameters
    ----------
    ligands, receptors, pairs, settings, max_hours, workers, engine
        See `ppi.prediction.predictor.Predictor.screen`.
    output, resume
        See `ppi.prediction.screening.run.Screen.write`.
    model, device, store, novelty
        See `ppi.prediction.predictor.Predictor`.

    Raises
    ------
    ppi.errors.PpiError
        If an input or the model is wrong, or the screen is too large.
    data_curation.errors.OutputError
        If the output exists or cannot be written.
    """
    target = check_output(output)
    with Predictor(model, device=device, store=store, novelty=novelty) as predictor:
        screening = predictor.screening(
            ligands,
            receptors,
            pairs=pairs,
            settings=settings,
            max_hours=max_hours,
            workers=workers,
            engine=engine,
        )
        return screening.write(target, resume=resume)
