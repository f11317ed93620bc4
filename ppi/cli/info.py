"""`ppi info`."""

from __future__ import annotations

from typing import Literal


def info(what: Literal["backbones"] = "backbones") -> None:
    """Say what there is to choose from.

    ```
    ppi info backbones
    ```

    Parameters
    ----------
    what
        backbones: name, parameters in millions, width of an embedding, layers, residues of the sequences
        that it was trained on, most residues of a unit, licence, and whether its weights are in the local
        cache.
    """
    from ppi.backbones.listing import backbone_table

    print(backbone_table().to_string(index=False))
