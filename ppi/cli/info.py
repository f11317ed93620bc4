"""`ppi info`."""

from __future__ import annotations

import sys
from typing import Literal

from ppi.errors import InputError

Topic = Literal["backbones", "heads", "mixers", "attentions", "poolings", "readouts", "recipes", "model"]


def info(what: Topic = "backbones", name: str | None = None) -> None:
    """List what there is to choose from, or describe a model.

    ```
    ppi info backbones
    ppi info poolings
    ppi info poolings multihead
    ppi info attentions linear
    ppi info recipes
    ppi info recipes default > settings.yaml
    ppi info model
    ppi info model my-model
    ```

    Parameters
    ----------
    what
        backbones: name, parameters in millions, width of an embedding, layers, residues of the sequences
        that it was trained on, maximum residues of a unit, licence, and whether its weights are in the local
        cache. heads, mixers, attentions, poolings, readouts: the parts of a model, for the flags of
        `ppi train`. recipes: settings for `ppi train --recipe`. model: what a model was trained on, its
        scores, interval, limits, licence and versions.
    name
        For heads, mixers, attentions, poolings and readouts: a part, whose options are listed. For recipes:
        a recipe, whose settings are printed. For model: a model folder (also that of an adapted model), a
        name on the Hugging Face hub, or `default`, the bundled model, which is described if there is no name.
    """
    sys.stdout.write(_text(what, name))


def _text(what: Topic, name: str | None) -> str:
    if what == "backbones":
        return _backbones(name)
    if what == "recipes":
        return _recipes(name)
    if what == "model":
        return _model(name)
    return _parts(what, name)


def _backbones(name: str | None) -> str:
    if name is not None:
        raise InputError(f"info backbones lists all backbones and takes no name, but {name!r} is given")
    from ppi.backbones.listing import backbone_table

    return f"{backbone_table().to_string(index=False)}\n"


def _recipes(name: str | None) -> str:
    from ppi.training.recipes import recipe_summaries, recipe_text

    if name is not None:
        return recipe_text(name)
    summaries = recipe_summaries()
    width = max(map(len, summaries)) + 2
    return "".join(f"{recipe:{width}}{summary}\n" for recipe, summary in summaries.items())


def _parts(kind: str, name: str | None) -> str:
    from ppi.models.part_listing import describe_part, list_parts

    if name is None:
        return list_parts(kind)
    try:
        return describe_part(kind, name)
    except ValueError as error:
        raise InputError(str(error)) from error


def _model(folder: str | None) -> str:
    from ppi.prediction.adapting.folder import card_of, is_adapted

    if is_adapted(folder):
        return card_of(str(folder))
    from ppi.models.description import describe_model

    return describe_model(folder or "default")
