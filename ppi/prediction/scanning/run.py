"""A scan from its complexes to its mutants, and what it will cost."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_curation.structures.chains import read_structure
from ppi.embedding.cache import EmbeddingCache, RandomEmbeddings
from ppi.io.inputs import Inputs, read_inputs
from ppi.io.predictions import STANDARD_TEMPERATURE
from ppi.models.folder import TrainedModel
from ppi.prediction.engine import predict_with, units_of_complexes
from ppi.prediction.novelty import MIN_IDENTITY, pair_identities
from ppi.prediction.references import References
from ppi.prediction.scanning.choice import AskedMutants, Choice, Variant
from ppi.prediction.scanning.estimate import ScanEstimate, scan_seconds
from ppi.prediction.scanning.labels import label_table
from ppi.prediction.scanning.located import locations_in
from ppi.prediction.scanning.scan import Scan, scan_complex


def asked_mutants(
    complexes: Inputs, choice: Choice, structure: str | os.PathLike[str] | None
) -> AskedMutants:
    """Read complexes and choose their mutants.

    Parameters
    ----------
    complexes, choice, structure
        See `ppi.prediction.predictor.Predictor.scanning`.
    """
    table = read_inputs(complexes)
    labels = label_table(table, None if structure is None else read_structure(structure))
    variants = [choice.variants(item, label) for item, label in zip(table.complexes, labels, strict=True)]
    return AskedMutants(table, labels, variants)


@dataclass(frozen=True)
class Scanning:
    """A scan that is ready to start.

    Attributes
    ----------
    asked
        The complexes and their mutants.
    trained
        The model, in evaluation mode on the device of the cache.
    cache
        Embeddings of its backbone.
    references
        What its predictions start from.
    structure
        PDB or mmCIF file of the complexes, if there is one.
    measured
        Whether predictions start from measured complexes.
    """

    asked: AskedMutants
    trained: TrainedModel
    cache: EmbeddingCache
    references: References
    structure: str | os.PathLike[str] | None
    measured: bool

    def run(self) -> Scan:
        """Predict the mutants.

        Raises
        ------
        ppi.errors.PpiError, data_curation.errors.StructureError
            As `ppi.prediction.predictor.Predictor.scan` raises them.
        """
        return self._scanned(self.asked, self.cache)

    def estimate(self) -> ScanEstimate:
        """Predict how long `run` takes, from a few of the mutants and without the backbone."""
        items = self.asked.table.complexes
        embeddings = RandomEmbeddings(self.cache)

        def some(number: int, variants: Sequence[Variant]) -> None:
            self._scanned(self.asked.part(number, variants), embeddings)

        other = scan_seconds(self.asked.variants, some)
        # The model of effects has now read the complex that was measured, and only that one.
        backbones = self.cache.seconds(units_of_complexes(self.trained.model, items))
        backbones += self.references.effects.backbone_seconds(items)
        return ScanEstimate(len(items), sum(map(len, self.asked.variants)), backbones + other)

    def _scanned(self, asked: AskedMutants, cache: EmbeddingCache) -> Scan:
        table, labels, variants = asked
        effects = self.references.effects
        predicted = predict_with(self.trained.model, table.complexes, cache)
        wild = self.references.table(table, predicted, STANDARD_TEMPERATURE, measured=self.measured)
        familiar = pair_identities(effects.parts.complexes, table.complexes) >= MIN_IDENTITY
        quantile = self.trained.calibration.anchored_quantile or np.nan
        scanned = []
        for number, (item, label, own) in enumerate(zip(table.complexes, labels, variants, strict=True)):
            row, prior = wild.iloc[number], float(predicted.mean[number])
            anchored = self.references.differences(item, own, prior, row) if self.measured else None
            located = None if self.structure is None else locations_in(self.structure, item.id, label)
            known = bool(familiar[number])
            scanned.append(
                scan_complex(item, label, own, row, effects, anchored, quantile, known=known, located=located)
            )
        return Scan(tuple(scanned))
