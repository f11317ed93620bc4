"""A loaded model that lives long: device, embeddings and training complexes are kept from call to call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from data_curation.records import HIGHEST_KELVIN, LOWEST_KELVIN
from ppi.devices import choose_device
from ppi.effects.model import EffectModel
from ppi.embedding.cache import EmbeddingCache
from ppi.engines.base import Resources
from ppi.engines.build import EngineName, build_engine
from ppi.errors import InputError, SettingsError
from ppi.io.inputs import Inputs, read_inputs
from ppi.io.pairs import PairInputs
from ppi.io.predictions import STANDARD_TEMPERATURE
from ppi.io.sides import SideInputs
from ppi.models.folder import DEFAULT_MODEL, TrainedModel, load_model
from ppi.prediction.engine import predict_with
from ppi.prediction.references import References
from ppi.prediction.scanning.choice import Choice
from ppi.prediction.scanning.run import Scanning, asked_mutants
from ppi.prediction.scanning.scan import Scan
from ppi.prediction.screening.preparation import Parts
from ppi.prediction.screening.run import MAX_HOURS, Screen
from ppi.prediction.screening.settings import ScreenSettings
from ppi.prediction.screening.targets import read_targets
from ppi.prediction.table import KELVIN, temperatures_of

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
        self._references = References(self.trained, self.device, novelty=novelty)

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
        return self._references.table(table, predicted, temperatures_of(table, temperature_kelvin))

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
        choice = Choice.of(sites, mutants, alanine=alanine, pairs=pairs)
        return self.scanning(complexes, choice, structure=structure, measured=measured).run()

    def scanning(
        self,
        complexes: Inputs,
        choice: Choice,
        *,
        structure: str | os.PathLike[str] | None = None,
        measured: bool = True,
    ) -> Scanning:
        """Return a scan that has not started: it can be estimated, or run.

        Parameters
        ----------
        complexes, structure, measured
            See `scan`.
        choice
            Which mutants are scanned.

        Raises
        ------
        ppi.errors.PpiError, data_curation.errors.StructureError
            As `scan` raises them.
        """
        asked = asked_mutants(complexes, choice, structure)
        return Scanning(asked, self.trained, self.cache, self._references, structure, measured)

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
        targets = read_targets(ligands, receptors, pairs, settings.per)
        return Screen(self._parts(), targets, settings, shared, Resources(workers), max_hours, self.device)

    def _parts(self) -> Parts:
        again = partial(_parts_of, self.trained, self.device, self._store, self.novelty)
        known = self._references
        return Parts(self.trained, self.model, self.cache, known.index, lambda: known.anchors, again)

    @property
    def effects(self) -> EffectModel:
        """The model of mutation effects in the package, loaded when it is first asked for."""
        return self._references.effects


def _parts_of(trained: TrainedModel, device: str, store: str | None, novelty: bool) -> Parts:
    """Return the parts of a screen in another process, from a model that is loaded."""
    return Predictor(trained, device=device, store=store, novelty=novelty)._parts()
