"""A loaded model that lives long: device, embeddings and training complexes are kept from call to call."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data_curation.records import HIGHEST_KELVIN, LOWEST_KELVIN
from data_curation.structures.chains import read_structure
from ppi.complexes import Complex
from ppi.devices import choose_device
from ppi.effects.model import EffectModel
from ppi.embedding.cache import EmbeddingCache, RandomEmbeddings
from ppi.engines.base import Resources
from ppi.engines.build import EngineName, build_engine
from ppi.errors import InputError, PpiWarning, SettingsError
from ppi.io.inputs import Inputs, read_inputs
from ppi.io.pairs import PairInputs, read_pairs
from ppi.io.predictions import STANDARD_TEMPERATURE
from ppi.io.sides import SideInputs, read_sides
from ppi.io.tables import ComplexTable
from ppi.io.text import is_standard_input
from ppi.models.folder import DEFAULT_MODEL, TrainedModel, load_model
from ppi.prediction.anchoring import AnchoredDifferences, Anchors
from ppi.prediction.engine import MemberPredictions, predict_with, units_of_complexes
from ppi.prediction.neighbours import MIN_PLACED_IDENTITY
from ppi.prediction.novelty import MIN_IDENTITY, NoveltyIndex, pair_identities
from ppi.prediction.predicted_effects import PredictedEffects
from ppi.prediction.scanning.choice import AskedMutants, Choice, Variant
from ppi.prediction.scanning.estimate import ScanEstimate, scan_seconds
from ppi.prediction.scanning.labels import label_table
from ppi.prediction.scanning.located import locations_in
from ppi.prediction.scanning.scan import Scan, scan_complex
from ppi.prediction.screening.preparation import Parts
from ppi.prediction.screening.run import MAX_HOURS, Screen
from ppi.prediction.screening.settings import ScreenSettings
from ppi.prediction.screening.targets import Targets
from ppi.prediction.table import KELVIN, nearest_columns, prediction_table, temperatures_of

if TYPE_CHECKING:
    from ppi.prediction.adapting.model import AdaptedModel


class Predictor:
    """Predicts the affinity of complexes; safe to use from several threads.

    Predictors may work beside each other; those that share a loaded model share its device, too.

    Parameters
    ----------
    model
        Model folder, name on the Hugging Face hub, loaded model, or ``default``, the model in the package.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    store
        Folder of the stores that keep a language model's embeddings on disk; by default in the user's cache.
        One that cannot be written is no reason to fail: embeddings are then kept in memory only.
    novelty
        Look for the training complexes that resemble each complex.

    Attributes
    ----------
    trained, model
        The model folder, and its model, on the device and in evaluation mode.
    cache
        Embeddings of the model's backbone.

    Raises
    ------
    ppi.errors.ModelError
        If the model cannot be loaded.
    ppi.errors.SettingsError
        If the device is not there.

    Examples
    --------
    >>> predictor = Predictor()
    >>> table = predictor.predict([("mine", "AQVINTFDGVADYLQTYHKLPDNYITKSEAQALG", "KKAVINGEQIRSISDL")])
    >>> list(table.id)
    ['mine']
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | TrainedModel = DEFAULT_MODEL,
        *,
        device: str = "auto",
        store: str | os.PathLike[str] | None = None,
        novelty: bool = True,
    ) -> None:
        self.device, self.novelty = choose_device(device), novelty
        self.trained = model if isinstance(model, TrainedModel) else load_model(model)
        self.model = self.trained.model.eval().to(self.device)
        self.cache = EmbeddingCache(self.model.backbone, self.device, store=store)
        self._store = None if store is None else str(Path(store).absolute())
        self._lock = threading.Lock()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store of embeddings; the predictor can go on, with what it keeps in memory."""
        self.cache.close()

    def predict(
        self,
        complexes: Inputs,
        *,
        temperature_kelvin: float = STANDARD_TEMPERATURE,
        truncate: bool = False,
    ) -> pd.DataFrame:
        """Predict pKd with its interval.

        Parameters
        ----------
        complexes
            See `ppi.io.inputs.read_inputs`.
        temperature_kelvin
            For dG, where the input has no column ``temperature_kelvin`` of its own.
        truncate
            Shorten complexes over the backbone's limit instead of refusing them.

        Returns
        -------
        DataFrame
            One row per complex, in input order; `ppi.io.predictions.COLUMNS` says what the columns are.

        Raises
        ------
        ppi.errors.PpiError
            If the input is wrong, or the model gives no finite prediction.
        """
        if not LOWEST_KELVIN <= temperature_kelvin <= HIGHEST_KELVIN:
            raise InputError(f"the temperature is {temperature_kelvin}; {KELVIN}")
        table = read_inputs(complexes)
        predicted = predict_with(self.model, table.complexes, self.cache, truncate=truncate)
        return self._table(table, predicted, temperatures_of(table, temperature_kelvin))

    def scan(
        self,
        complexes: Inputs,
        *,
        sites: str | Sequence[str] = (),
        alanine: bool = False,
        pairs: bool = False,
        mutants: str | Sequence[str] = (),
        structure: str | os.PathLike[str] | None = None,
        measured: bool = True,
    ) -> Scan:
        """Predict how mutations change the binding of complexes.

        Parameters
        ----------
        complexes
            See `ppi.io.inputs.read_inputs`.
        sites
            Where, such as ``ligand:1:95-102``; see `ppi.prediction.scanning.notation.parse_sites`. Everywhere
            by default.
        alanine
            To alanine only.
        pairs
            All double mutants of the sites, instead of all single ones.
        mutants
            These mutants instead, such as ``ligand:1:H102A+receptor:1:D39A``; see
            `ppi.prediction.scanning.notation.parse_variant`.
        structure
            PDB or mmCIF file of the complex, whose names of chains and numbers of residues may then be used;
            where its residues lie is then measured instead of predicted.
        measured
            Whether predictions start from measured complexes around the wild type.

        Returns
        -------
        Scan
            Its `table` has one row a mutant.

        Raises
        ------
        ppi.errors.PpiError
            If the input, the mutants or the structure do not fit.
        data_curation.errors.StructureError
            If the structure cannot be read.
        """
        asked = self._asked(complexes, sites, mutants, structure, alanine=alanine, pairs=pairs)
        predicted = predict_with(self.model, asked.table.complexes, self.cache)
        return self._scanned(asked, predicted, structure, measured=measured)

    def scan_estimate(
        self,
        complexes: Inputs,
        *,
        sites: str | Sequence[str] = (),
        alanine: bool = False,
        pairs: bool = False,
        mutants: str | Sequence[str] = (),
        structure: str | os.PathLike[str] | None = None,
        measured: bool = True,
    ) -> ScanEstimate:
        """Predict how long `scan` takes, from a few of the mutants and without the backbone.

        Parameters
        ----------
        complexes, sites, alanine, pairs, mutants, structure, measured
            See `scan`.

        Raises
        ------
        ppi.errors.PpiError, data_curation.errors.StructureError
            As `scan` raises them.
        """
        asked = self._asked(complexes, sites, mutants, structure, alanine=alanine, pairs=pairs)
        items = asked.table.complexes
        embeddings = RandomEmbeddings(self.cache)

        def some(number: int, variants: Sequence[Variant]) -> None:
            one = asked.part(number, variants)
            predicted = predict_with(self.model, one.table.complexes, embeddings)
            self._scanned(one, predicted, structure, measured=measured)

        other = scan_seconds(asked.variants, some)
        # The model of effects has now read the complex that was measured, and only that one.
        backbones = self.cache.seconds(units_of_complexes(self.model, items))
        backbones += self.effects.backbone_seconds(items)
        return ScanEstimate(len(items), sum(map(len, asked.variants)), backbones + other)

    def _asked(
        self,
        complexes: Inputs,
        sites: str | Sequence[str],
        mutants: str | Sequence[str],
        structure: str | os.PathLike[str] | None,
        *,
        alanine: bool,
        pairs: bool,
    ) -> AskedMutants:
        """Read complexes and choose their mutants; see `scan`."""
        table = read_inputs(complexes)
        labels = label_table(table, None if structure is None else read_structure(structure))
        choice = Choice.of(sites, mutants, alanine=alanine, pairs=pairs)
        variants = [choice.variants(item, label) for item, label in zip(table.complexes, labels, strict=True)]
        return AskedMutants(table, labels, variants)

    def _scanned(
        self,
        asked: AskedMutants,
        predicted: MemberPredictions,
        structure: str | os.PathLike[str] | None,
        *,
        measured: bool,
    ) -> Scan:
        """Return the scan of complexes whose wild types are predicted."""
        table, labels, variants = asked
        wild = self._table(table, predicted, STANDARD_TEMPERATURE, measured=measured)
        familiar = pair_identities(self.effects.parts.complexes, table.complexes) >= MIN_IDENTITY
        scanned = []
        for number, (item, label, own) in enumerate(zip(table.complexes, labels, variants, strict=True)):
            row, prior = wild.iloc[number], float(predicted.mean[number])
            anchored = self._differences(item, own, prior, row) if measured else None
            quantile = self.trained.calibration.anchored_quantile or np.nan
            scanned.append(
                scan_complex(
                    item,
                    label,
                    own,
                    row,
                    self.effects,
                    anchored,
                    quantile,
                    known=bool(familiar[number]),
                    located=None if structure is None else locations_in(structure, item.id, label),
                )
            )
        return Scan(tuple(scanned))

    def adapt(
        self, variants: Inputs, *, wild: Inputs | None = None, value: str | None = None, seed: int = 0
    ) -> AdaptedModel:
        """Learn from measured variants of one complex, or of a few, to rank further variants.

        Parameters
        ----------
        variants, wild, value, seed
            See `ppi.prediction.adapting.adapt.adapt`.

        Raises
        ------
        ppi.errors.InputError
            If the table cannot be read, the variants differ by more than substitutions, or nothing can be
            learnt.
        """
        from ppi.prediction.adapting.adapt import adapt  # it takes half a second, which few need

        return adapt(variants, wild=wild, value=value, effects=self.effects, seed=seed)

    def _table(
        self,
        table: ComplexTable,
        predicted: MemberPredictions,
        temperatures: pd.Series | float,
        *,
        measured: bool = True,
    ) -> pd.DataFrame:
        """Return the predictions of complexes, which start from measured ones if `measured`."""
        found = self._nearest(table.complexes)
        alone = self.trained.calibration.half_width(
            predicted.spread, found["pair_identity"].to_numpy(dtype=np.float64)
        )
        anchored = self._anchored(table.complexes, predicted.mean, found, measured)
        return prediction_table(
            table.complexes, predicted, found, anchored, alone, temperatures, self.trained.name
        )

    def screen(
        self,
        ligands: SideInputs,
        receptors: SideInputs,
        *,
        pairs: PairInputs | None = None,
        settings: ScreenSettings | None = None,
        max_hours: float = MAX_HOURS,
        workers: int | None = None,
        engine: EngineName = "local",
    ) -> pd.DataFrame:
        """Predict many pairs of sides and rank them; each side is read by the backbone once.

        Parameters
        ----------
        ligands, receptors
            See `ppi.io.sides.read_sides`.
        pairs
            See `ppi.io.pairs.read_pairs`; by default each ligand meets each receptor, also one that has its
            own sequence.
        settings
            What is kept; by default all pairs, ranked for each receptor.
        max_hours
            Longest time; a screen that is estimated to take longer is refused before it starts.
        workers
            Number of workers; by default one for each processor that is available.
        engine
            Engine that shares out the work: ``local``, threads of this process, or ``ray``, a Ray cluster.

        Returns
        -------
        DataFrame
            Target by target, the best pair first; `ppi.prediction.screening.output.COLUMNS` says what the
            columns are. The numbers are those of `predict`.

        Raises
        ------
        ppi.errors.PpiError
            If an input is wrong, or the screen is too large.
        """
        return self.screening(
            ligands,
            receptors,
            pairs=pairs,
            settings=settings,
            max_hours=max_hours,
            workers=workers,
            engine=engine,
        ).frame()

    def screening(
        self,
        ligands: SideInputs,
        receptors: SideInputs,
        *,
        pairs: PairInputs | None = None,
        settings: ScreenSettings | None = None,
        max_hours: float = MAX_HOURS,
        workers: int | None = None,
        engine: EngineName = "local",
    ) -> Screen:
        """Return a screen that has not started: it can be estimated, or written into a file block by block.

        Parameters
        ----------
        ligands, receptors, pairs, settings, max_hours, workers, engine
            See `screen`.

        Raises
        ------
        ppi.errors.PpiError
            If an input is wrong, or the engine is not installed or does not run on the device.
        """
        settings = settings or ScreenSettings()
        shared = build_engine(engine)
        if shared.remote and self.device != "cpu":
            raise SettingsError(
                f"the engine {engine!r} screens on processors, not on {self.device}; give device cpu"
            )
        if is_standard_input(ligands) and is_standard_input(receptors):
            raise InputError("ligands and receptors are both standard input; name a file for one of them")
        sides = read_sides(ligands, "ligand"), read_sides(receptors, "receptor")
        if pairs is None:
            targets = Targets(*sides, settings.per)
        else:
            targets = Targets.listed(*sides, settings.per, read_pairs(pairs, *sides))
        return Screen(self._parts(), targets, settings, shared, Resources(workers), max_hours, self.device)

    def _parts(self) -> Parts:
        index = self._index if self.novelty else None
        again = partial(_parts_of, self.trained, self.device, self._store, self.novelty)
        return Parts(self.trained, self.model, self.cache, index, lambda: self._anchors, again)

    def _nearest(self, complexes: list[Complex]) -> pd.DataFrame:
        index = self._index if self.novelty else None
        nearest = [None] * len(complexes) if index is None else index.nearest(complexes)
        rows = zip(complexes, nearest, strict=True)
        return pd.DataFrame([nearest_columns(item, found) for item, found in rows])

    def _differences(
        self, wild: Complex, variants: Sequence[Variant], prior: float, row: pd.Series
    ) -> AnchoredDifferences | None:
        """Return what measured neighbours say of variants of a complex; None if there are none."""
        if self.trained.calibration.anchored_quantile is None:
            return None
        return self._anchors.differences(wild, variants, prior, like=_placement_target(row))

    def _anchored(
        self, complexes: list[Complex], prior: np.ndarray, found: pd.DataFrame, measured: bool
    ) -> pd.DataFrame:
        """Return what starts from measured neighbours; NaN, and 0 neighbours, for what does not."""
        quantile = self.trained.calibration.anchored_quantile if measured else None
        rows = []
        for item, mean, (_, row) in zip(complexes, prior, found.iterrows(), strict=True):
            like = _placement_target(row)
            near = None if quantile is None else self._anchors.predict(item, float(mean), like=like)
            rows.append((np.nan, np.nan, 0) if near is None else (near.pkd, near.std, near.neighbours))
        table = pd.DataFrame(rows, columns=["pkd", "std", "neighbours"])
        return table.assign(half_width=table["std"] * (quantile or np.nan))

    @property
    def _anchors(self) -> Anchors:
        with self._lock:
            return self._made_anchors

    @cached_property
    def _made_anchors(self) -> Anchors:
        effects = PredictedEffects(self._made_effects)
        return Anchors(self.trained.training_complexes, effects, effects.interface)

    @property
    def effects(self) -> EffectModel:
        """The model of mutation effects in the package, loaded when it is first asked for."""
        with self._lock:
            return self._made_effects

    @cached_property
    def _made_effects(self) -> EffectModel:
        # The embeddings of the few complexes that it sees stay in memory.
        return EffectModel.load(device=self.device, on_disk=False)

    @property
    def _index(self) -> NoveltyIndex | None:
        with self._lock:
            return self._made_index

    @cached_property
    def _made_index(self) -> NoveltyIndex | None:
        if self.trained.training_complexes:
            return NoveltyIndex(self.trained.training_complexes)
        warnings.warn(
            f"model {self.trained.name!r} was saved by an older version, without its training complexes: "
            "novelty and the nearest complex are left empty, and intervals are as wide as for a new "
            "complex. A model that is trained again has them",
            PpiWarning,
            stacklevel=4,
        )
        return None


def _parts_of(trained: TrainedModel, device: str, store: str | None, novelty: bool) -> Parts:
    """Return the parts of a screen in another process, from a model that is loaded."""
    return Predictor(trained, device=device, store=store, novelty=novelty)._parts()


def _placement_target(row: pd.Series) -> str | None:
    """Return the name of the training complex that a complex may be laid onto."""
    return row["nearest_complex"] if row["pair_identity"] >= MIN_PLACED_IDENTITY else None
