"""What predictions are compared with and start from: training complexes, measured ones, mutation effects."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from ppi.complexes import Complex
from ppi.effects.model import EffectModel
from ppi.effects.mutations import Mutation
from ppi.errors import PpiWarning
from ppi.io.tables import ComplexTable
from ppi.models.folder import TrainedModel
from ppi.prediction.anchoring import AnchoredDifferences, Anchors
from ppi.prediction.engine import MemberPredictions
from ppi.prediction.neighbours import MIN_PLACED_IDENTITY
from ppi.prediction.novelty import NoveltyIndex
from ppi.prediction.predicted_effects import PredictedEffects
from ppi.prediction.table import nearest_columns, prediction_table


class References:
    """The training complexes of a model and the model of mutation effects, each made when it is first needed.

    Safe to use from several threads.

    Parameters
    ----------
    trained
        The model whose predictions are compared.
    device
        Where the model of mutation effects computes.
    novelty
        Look for the training complexes that resemble each complex.
    """

    def __init__(self, trained: TrainedModel, device: str, *, novelty: bool) -> None:
        self._trained, self._device, self._novelty = trained, device, novelty
        self._lock = threading.Lock()

    def table(
        self,
        table: ComplexTable,
        predicted: MemberPredictions,
        temperatures: pd.Series | float,
        *,
        measured: bool = True,
    ) -> pd.DataFrame:
        """Return the table of predictions; see `ppi.prediction.table.prediction_table`.

        Parameters
        ----------
        table
            ``N`` complexes.
        predicted
            What the model alone says of them.
        temperatures
            Kelvin, for dG.
        measured
            Whether predictions start from measured complexes.
        """
        found = self._nearest(table.complexes)
        alone = self._trained.calibration.half_width(
            predicted.spread, found["pair_identity"].to_numpy(dtype=np.float64)
        )
        anchored = self._anchored(table.complexes, predicted.mean, found, measured)
        return prediction_table(
            table.complexes, predicted, found, anchored, alone, temperatures, self._trained.name
        )

    def differences(
        self, wild: Complex, variants: Sequence[Sequence[Mutation]], prior: float, row: pd.Series
    ) -> AnchoredDifferences | None:
        """Return what measured neighbours say of variants of a complex; None if there are none.

        Parameters
        ----------
        wild, variants, prior
            See `ppi.prediction.anchoring.Anchors.differences`.
        row
            The row of the wild type in the table of predictions.
        """
        if self._trained.calibration.anchored_quantile is None:
            return None
        return self.anchors.differences(wild, variants, prior, like=_placement_target(row))

    def _nearest(self, complexes: list[Complex]) -> pd.DataFrame:
        index = self.index
        nearest = [None] * len(complexes) if index is None else index.nearest(complexes)
        rows = zip(complexes, nearest, strict=True)
        return pd.DataFrame([nearest_columns(item, found) for item, found in rows])

    def _anchored(
        self, complexes: list[Complex], prior: np.ndarray, found: pd.DataFrame, measured: bool
    ) -> pd.DataFrame:
        """Return what starts from measured neighbours; NaN, and 0 neighbours, for what does not."""
        quantile = self._trained.calibration.anchored_quantile if measured else None
        rows = []
        for item, mean, (_, row) in zip(complexes, prior, found.iterrows(), strict=True):
            like = _placement_target(row)
            near = None if quantile is None else self.anchors.predict(item, float(mean), like=like)
            rows.append((np.nan, np.nan, 0) if near is None else (near.pkd, near.std, near.neighbours))
        table = pd.DataFrame(rows, columns=["pkd", "std", "neighbours"])
        return table.assign(half_width=table["std"] * (quantile or np.nan))

    @property
    def anchors(self) -> Anchors:
        """The measured complexes from which predictions may start."""
        with self._lock:
            return self._made_anchors

    @cached_property
    def _made_anchors(self) -> Anchors:
        effects = PredictedEffects(self._made_effects)
        return Anchors(self._trained.training_complexes, effects, effects.interface)

    @property
    def effects(self) -> EffectModel:
        """The model of mutation effects in the package."""
        with self._lock:
            return self._made_effects

    @cached_property
    def _made_effects(self) -> EffectModel:
        # The embeddings of the few complexes that it sees stay in memory.
        return EffectModel.load(device=self._device, on_disk=False)

    @property
    def index(self) -> NoveltyIndex | None:
        """Index of the training complexes; None where novelty is not wanted, or they are not known."""
        if not self._novelty:
            return None
        with self._lock:
            return self._made_index

    @cached_property
    def _made_index(self) -> NoveltyIndex | None:
        if self._trained.training_complexes:
            return NoveltyIndex(self._trained.training_complexes)
        warnings.warn(
            f"model {self._trained.name!r} was saved by an older version, without its training complexes: "
            "novelty and the nearest complex are left empty, and intervals are as wide as for a new "
            "complex. A model that is trained again has them",
            PpiWarning,
            stacklevel=4,
        )
        return None


def _placement_target(row: pd.Series) -> str | None:
    """Return the name of the training complex that a complex may be laid onto."""
    return row["nearest_complex"] if row["pair_identity"] >= MIN_PLACED_IDENTITY else None
