"""Shared fixtures: ragged batches, small tables and a small trained model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import settings
from tiny_models import tiny_random_esm2

from data_curation.splits import clustering
from heads.ragged import RaggedBatch
from ppi.complexes import AMINO_ACIDS, Complex
from ppi.embedding.engine import embed_units
from ppi.embedding.sources import EmbeddedUnits
from ppi.embedding.units import split_into_units

#: The same examples in every run, however long one of them takes.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

REPOSITORY = Path(__file__).resolve().parent.parent


def random_chain(random: np.random.Generator, length: int) -> str:
    return "".join(random.choice(list(AMINO_ACIDS), size=length))


def random_complex(random: np.random.Generator, name: str, ligand: int = 1, receptor: int = 1) -> Complex:
    def side(chains: int) -> tuple[str, ...]:
        return tuple(random_chain(random, int(random.integers(15, 60))) for _ in range(chains))

    return Complex(name, side(ligand), side(receptor), pkd=float(random.normal(7.5, 1.5)))


def batch_of(
    backbone: torch.nn.Module, complexes: list[Complex], encoding_unit: str, both_orders: bool = False
) -> RaggedBatch:
    encoded = [split_into_units(item, encoding_unit, both_orders=both_orders) for item in complexes]
    units = [unit for item in encoded for unit in item.units]
    return EmbeddedUnits.collect(embed_units(backbone, units, token_budget=500)).gather(encoded)


@pytest.fixture(scope="session", autouse=True)
def own_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep embeddings out of the user's cache; use one thread, as files of tests run in parallel."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PPI_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def every_pair_aligned() -> Iterator[Callable[[str, Path], None]]:
    """Let MMseqs2 align all pairs instead of those that its index proposes; give what users run.

    Nothing is missed that way, and the index takes seconds to make, however few the sequences are.
    """
    run = clustering._mmseqs

    def exhaustive(command: str, folder: Path) -> None:
        run(command + " --prefilter-mode 2" * command.startswith("easy-search"), folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustering, "_mmseqs", exhaustive)
        yield run


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    """48 complexes whose pKd follows their net charge a residue, in three parts."""
    random = np.random.default_rng(1)
    rows = []
    for index in range(48):
        item = random_complex(random, f"c{index}", ligand=1 + index % 2)
        residues = "".join(item.chains)
        charge = sum(residues.count(r) for r in "KR") - sum(residues.count(r) for r in "DE")
        rows.append(
            {
                "id": item.id,
                "ligand": ":".join(item.ligand),
                "receptor": ":".join(item.receptor),
                "pkd": 7 + 10 * charge / len(residues),
                "split": ("train", "train", "validation", "test")[index % 4],
                "pdb": f"P{index // 2}",
                "source": ("one", "two")[index % 8 > 3],
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def table_path(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "complexes.csv"
    table.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of an ESM-2 of two layers and width 32, with random weights."""
    path = tmp_path_factory.mktemp("backbone") / "tiny_random_esm2"
    tiny_random_esm2().save_pretrained(path)
    return str(path)


@pytest.fixture(scope="session")
def model_path(table_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with two small HP heads, trained for two epochs."""
    from ppi.training.run import train
    from ppi.training.settings import TrainSettings

    path = tmp_path_factory.mktemp("model") / "tiny"
    train(table_path, output=path, settings=TrainSettings(head="hp", mixer="none", members=2, max_epochs=2))
    return path
