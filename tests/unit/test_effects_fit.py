"""Training of the model of mutation effects, on made data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ppi.backbones.registry import build_backbone
from ppi.complexes import AMINO_ACIDS, Complex
from ppi.effects.benchmark import MeasuredEffects, read_effects
from ppi.effects.fit import EffectTraining, fit_effects
from ppi.effects.folds import apart, folds_by_entry
from ppi.effects.interfaces import Interface, read_interfaces
from ppi.effects.likelihood import LanguageHead
from ppi.effects.location import LOCATION_NAMES
from ppi.effects.location_training import LocationTraining
from ppi.effects.model import EffectModel
from ppi.effects.mutations import Mutation
from ppi.embedding.cache import EmbeddingCache
from ppi.errors import BackboneError, InputError


def _chain(generator: np.random.Generator, length: int) -> str:
    return "".join(generator.choice(list(AMINO_ACIDS), length))


@pytest.fixture(scope="module")
def interfaces() -> list[Interface]:
    generator = np.random.default_rng(0)
    made = []
    for number in range(6):
        sides = ((_chain(generator, 60),), (_chain(generator, 40),))
        first, second = (
            np.abs(generator.normal(size=(len(side[0]), len(LOCATION_NAMES)))).clip(0, 1).astype(np.float32)
            for side in sides
        )
        for truth in (first, second):
            truth[:, :2] = truth[:, :2].round()
            truth[:, 3:8] = np.eye(5)[np.arange(len(truth)) % 5]
        entry = f"{number}ABC"
        name = f"skempi:{entry}_A_B"
        made.append(
            Interface(name, "skempi", frozenset({entry}), sides, (("A",), ("B",)), number, (first, second))
        )
    return made


@pytest.fixture(scope="module")
def effects(interfaces: list[Interface]) -> MeasuredEffects:
    complexes = {item.id.partition(":")[2]: Complex(item.id, *item.sides) for item in interfaces}
    structures, mutations = [], []
    for name, item in complexes.items():
        for place in range(5, 25):
            wild = item.ligand[0][place - 1]
            structures.append(name)
            mutations.append((Mutation("ligand", 1, place, wild, "W" if wild != "W" else "A"),))
    ddg = np.random.default_rng(1).normal(size=len(structures))
    return MeasuredEffects(complexes, structures, mutations, ddg, pd.DataFrame({"structure": structures}))


def _fitted(
    interfaces: list[Interface], effects: MeasuredEffects, folder: Path, similar: Any = None
) -> EffectModel:
    cache = EmbeddingCache(build_backbone("ppi-mini", layers=(2, 4, 6)), "cpu", store=folder)
    training = EffectTraining(trees=5, crossing_folds=2, networks=1, location=LocationTraining(epochs=1))
    return fit_effects(
        cache, LanguageHead.read("ppi-mini"), interfaces, effects, training, seed=3, similar=similar
    )


def test_the_seed_decides_the_model(
    interfaces: list[Interface], effects: MeasuredEffects, tmp_path: Path
) -> None:
    first, second = (_fitted(interfaces, effects, tmp_path) for _ in range(2))
    name = effects.structures[0]
    variants = [
        item for item, owner in zip(effects.mutations, effects.structures, strict=True) if owner == name
    ]
    predicted = first.ddg(effects.complexes[name], variants)
    assert np.array_equal(predicted, second.ddg(effects.complexes[name], variants))
    assert np.ptp(predicted) > 0


class EverythingIsItsOwnCluster:
    """Stands for the search of similar chains, which has tests of its own."""

    def __init__(self, effects: MeasuredEffects) -> None:
        self.effects = effects
        self.requested: list[str] = []

    def folds(self, sizes: Mapping[str, int]) -> dict[str, int]:
        assert sum(sizes.values()) == len(self.effects.ddg)
        return {name: number % 2 for number, name in enumerate(sizes)}

    def chains_near(self, names: Sequence[str]) -> set[str]:
        self.requested += names
        return {chain for name in names for chain in self.effects.complexes[name].chains}


def test_training_calibrates_intervals_and_keeps_what_it_learnt_from(
    interfaces: list[Interface], tmp_path: Path
) -> None:
    generator = np.random.default_rng(2)
    complexes = {
        f"{number:02d}XY_A_B": Complex(f"made {number}", (_chain(generator, 30),), (_chain(generator, 20),))
        for number in range(24)
    }
    structures, mutations = [], []
    for name, item in complexes.items():
        for places in ((3,), (5,), (7, 9)):
            residues = item.ligand[0]
            structures.append(name)
            mutations.append(
                tuple(
                    Mutation("ligand", 1, at, residues[at - 1], "W" if residues[at - 1] != "W" else "A")
                    for at in places
                )
            )
    table = pd.DataFrame({"structure": structures})
    made = MeasuredEffects(complexes, structures, mutations, generator.normal(size=len(structures)), table)
    similar = EverythingIsItsOwnCluster(made)
    fitted = _fitted(interfaces, made, tmp_path / "store", similar)
    interval = fitted.parts.interval
    assert interval is not None
    assert (interval.structures, interval.variants) == (24, 72)
    assert sorted(similar.requested) == sorted(complexes)
    fitted.save(tmp_path / "model", card="A model.\n")
    again = EffectModel.load(tmp_path / "model", device="cpu", store=tmp_path / "store")
    assert again.parts.interval == interval
    assert again.parts.complexes == tuple(complexes.values())


def test_a_fold_is_not_taught_by_its_entries(interfaces: list[Interface]) -> None:
    names = [item.id.partition(":")[2] for item in interfaces]
    folds = folds_by_entry(names, 2)
    assert sorted(folds.values()) == [0, 0, 0, 1, 1, 1]
    taught = apart(interfaces, names[:2])
    assert [item.id for item in taught] == [item.id for item in interfaces[2:]]
    assert len(apart(interfaces, names[:2], set(interfaces[3].chains))) == 3


def test_a_head_is_needed_for_likelihoods(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="has no head of a masked language model"):
        LanguageHead.read(str(tmp_path))


def test_another_table_is_no_table_of_interfaces(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet: not a table of interfaces"):
        read_interfaces(tmp_path / "other.parquet")


def test_measured_effects_are_read(interfaces: list[Interface], tmp_path: Path) -> None:
    item = interfaces[0]
    first, second = (side[0] for side in item.sides)
    lines = [
        f"{first[4]}A5W",
        f"{first[4]}A5W,{first[4]}A65W,{second[0]}B1P",  # named twice: positions count through two models
    ]
    table = pd.DataFrame(
        {"structure": "0ABC_A_B", "mutations": lines, "ddg_kcal_mol": 1.0, "fold_by_complex": 0}
    )
    table.to_csv(tmp_path / "effects.csv", index=False)
    read = read_effects(tmp_path / "effects.csv", interfaces, tmp_path / "none.tar")
    assert read.complexes["0ABC_A_B"].chains == item.chains
    once = Mutation("ligand", 1, 5, first[4], "W")
    assert read.mutations == [(once,), (once, Mutation("receptor", 1, 1, second[0], "P"))]
    table.assign(mutations="A7").to_csv(tmp_path / "effects.csv", index=False)
    with pytest.raises(InputError, match="'A7' is no mutation"):
        read_effects(tmp_path / "effects.csv", interfaces, tmp_path / "none.tar")
    table.assign(structure="9XYZ_A_B").to_csv(tmp_path / "effects.csv", index=False)
    with pytest.raises(InputError, match=r"none\.tar: not an archive"):
        read_effects(tmp_path / "effects.csv", interfaces, tmp_path / "none.tar")
