"""`ppi info`."""

from __future__ import annotations

import sys
from typing import Literal

from ppi.errors import InputError


def info(what: Literal["backbones", "mixers", "model"] = "backbones", folder: str | None = None) -> None:
    """Say what there is to choose from, or what a model is.

    ```
    ppi info backbones
    ppi info mixers
    ppi info model
    ppi info model my-model
    ```

    Parameters
    ----------
    what
        backbones: name, parameters in millions, width of an embedding, layers, residues of the sequences
        that it was trained on, most residues of a unit, licence, and whether its weights are in the local
        cache. mixers: the mixers, and the attentions of the mixer `attention`, with the growth of their time
        with the number n of residues, their purpose and source. model: what a model folder is, what it was
        trained on, its scores, interval, limits, licence and versions.
    folder
        For model: a model folder (that of an adapted model, too), a name on the Hugging Face hub, or
        `default`, the model that ships in the package, which is taken where nothing is given.
    """
    if what == "model":
        from ppi.prediction.adapting.folder import card_of, is_adapted

        if is_adapted(folder):
            sys.stdout.write(card_of(str(folder)))
            return
        from ppi.models.description import describe_model

        sys.stdout.write(describe_model(folder or "default"))
        return
    if folder is not None:
        raise InputError(f"info {what} takes no folder, but {folder!r} is given; ppi info model does")
    if what == "mixers":
        from ppi.models.mixers import describe_mixers

        sys.stdout.write(describe_mixers())
        return
    from ppi.backbones.listing import backbone_table

    print(backbone_table().to_string(index=False))
