"""Protein-protein binding affinity from sequence.

The public functions are imported when they are first used, so that ``import ppi`` is instant:
`predict`, `adapt`, `suggest`, `screen`, `train`, `evaluate`, `run_study`, `pretrain`, `curate`, `embed`,
`load_dataset`, `load_model`, `load_adapted`, `read_complexes`, and the types `Predictor`, `Complex`,
`TrainSettings`, `PretrainSettings` and `ScreenSettings`; `recipe_settings` returns those of a recipe.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_curation.pipeline import curate
    from ppi.complexes import Complex
    from ppi.datasets import load_dataset
    from ppi.embedding.embed import embed
    from ppi.evaluation.evaluate import evaluate
    from ppi.io.tables import read_complexes
    from ppi.models.folder import load_model
    from ppi.prediction.adapting.adapt import adapt
    from ppi.prediction.adapting.folder import load_adapted
    from ppi.prediction.predict import predict
    from ppi.prediction.predictor import Predictor
    from ppi.prediction.screen import screen
    from ppi.prediction.screening.settings import ScreenSettings
    from ppi.prediction.suggesting.suggest import suggest
    from ppi.pretraining.run import pretrain
    from ppi.pretraining.settings import PretrainSettings
    from ppi.study.run import run_study
    from ppi.training.recipes import recipe_settings
    from ppi.training.run import train
    from ppi.training.settings import TrainSettings

_PUBLIC = {
    "Complex": "ppi.complexes",
    "Predictor": "ppi.prediction.predictor",
    "PretrainSettings": "ppi.pretraining.settings",
    "ScreenSettings": "ppi.prediction.screening.settings",
    "TrainSettings": "ppi.training.settings",
    "adapt": "ppi.prediction.adapting.adapt",
    "curate": "data_curation.pipeline",
    "embed": "ppi.embedding.embed",
    "evaluate": "ppi.evaluation.evaluate",
    "load_adapted": "ppi.prediction.adapting.folder",
    "load_dataset": "ppi.datasets",
    "load_model": "ppi.models.folder",
    "predict": "ppi.prediction.predict",
    "pretrain": "ppi.pretraining.run",
    "read_complexes": "ppi.io.tables",
    "recipe_settings": "ppi.training.recipes",
    "run_study": "ppi.study.run",
    "screen": "ppi.prediction.screen",
    "suggest": "ppi.prediction.suggesting.suggest",
    "train": "ppi.training.run",
}

__all__ = [
    "Complex",
    "Predictor",
    "PretrainSettings",
    "ScreenSettings",
    "TrainSettings",
    "adapt",
    "curate",
    "embed",
    "evaluate",
    "load_adapted",
    "load_dataset",
    "load_model",
    "predict",
    "pretrain",
    "read_complexes",
    "recipe_settings",
    "run_study",
    "screen",
    "suggest",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'ppi' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
