"""A Sphinx extension that writes the reference pages which follow from the code.

Before a build it writes ``reference/generated/*.md``: the command line, the settings of each kind of run, and
the language models.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpydoc.docscrape import NumpyDocString
from pydantic import BaseModel
from sphinx.application import Sphinx

from ppi.backbones.listing import backbone_table
from ppi.cli import app as command_line
from ppi.models.config import ModelConfig
from ppi.models.tuning_settings import TuningSettings
from ppi.prediction.screening.settings import ScreenSettings
from ppi.pretraining.settings import PretrainSettings
from ppi.study.settings import StudySettings
from ppi.training.settings import TrainSettings

SETTINGS = {
    "Training (`ppi train`)": TrainSettings,
    "Model (`ppi train`, and `config.json` of a model folder)": ModelConfig,
    "Tuning of the backbone (`tuning.` in `ppi train`)": TuningSettings,
    "Studies (`ppi study`)": StudySettings,
    "Screens (`ppi screen`)": ScreenSettings,
    "Pretraining (`ppi pretrain`)": PretrainSettings,
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages when a build begins."""
    app.connect("builder-inited", _write_pages)
    return {"parallel_read_safe": True}


def _write_pages(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "reference" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"cli": _cli_page(), "settings": _settings_page(), "backbones": _backbones_page()}
    for name, text in pages.items():
        path = folder / f"{name}.md"
        # An unchanged page keeps its time, so that Sphinx does not read it again.
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _cli_page() -> str:
    head, _, verbs = command_line.generate_docs(heading_level=1).partition("## Table of Contents")
    _, _, rest = head.partition("\n")
    _, _, sections = verbs.partition("\n## ")
    return f"# Command line\n{rest}\n## {sections}"


def _settings_page() -> str:
    parts = [
        "# Settings",
        "Settings are flags of the command line (`--learning-rate`), keys of YAML files (`learning_rate`) "
        "and fields of the classes below. A YAML file overrides the defaults, and flags override both. "
        "`ppi train` starts from a recipe instead of these defaults (`ppi info recipes`).",
    ]
    for title, kind in SETTINGS.items():
        parts += [f"## {title}", f"`{kind.__module__}.{kind.__name__}`", "\n".join(_settings_table(kind))]
    return "\n\n".join(parts) + "\n"


def _settings_table(kind: type) -> Iterator[str]:
    described = NumpyDocString(inspect.getdoc(kind) or "")
    texts = {
        name.strip(): " ".join(each.desc).replace("|", r"\|")
        for each in (*described["Parameters"], *described["Attributes"])
        for name in each.name.split(",")
    }
    yield "| key | default | meaning |"
    yield "| --- | --- | --- |"
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD:
            yield f"| `{name}` | {_default(parameter.default)} | {texts[name]} |"


def _default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if str(value) == "<factory>":
        return "empty"
    return f"`{type(value).__name__}()`" if isinstance(value, BaseModel) else f"`{value}`"


def _backbones_page() -> str:
    table = backbone_table().drop(columns="cached", errors="ignore")
    rows = [table.columns.tolist(), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return (
        "# Language models\n\n`ppi info backbones` prints this table and says which weights are in the local "
        f"cache. [How to use them](../../guides/backbones.md).\n\n{lines}\n"
    )
