"""Names of backbones: the choices of configuration and command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from heads.registry import find

if TYPE_CHECKING:
    from ppi.backbones.base import Backbone

BackboneName = Literal["residue"]

BACKBONES: dict[BackboneName, str] = {"residue": "ppi.backbones.residue:ResidueBackbone"}


def build_backbone(name: BackboneName) -> Backbone:
    """Make the backbone of this name.

    Raises
    ------
    ValueError
        If the name is not known.
    """
    backbone: Backbone = find(BACKBONES, name)()
    return backbone
