"""Observe the attention of a language model, one unit and one layer at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ppi.backbones.base import Backbone, Unit
from ppi.backbones.encoder import PackedEncoder
from ppi.errors import InputError
from ppi.explain.attention.packs import ObservingPack
from ppi.explain.attention.view import LayerView, Place, UnitRows

BACKBONE = "backbone"


def checked_encoder(backbone: Backbone) -> PackedEncoder:
    """Return a backbone if it has attention.

    Raises
    ------
    InputError
        If it has none.
    """
    if not isinstance(backbone, PackedEncoder):
        raise InputError(
            f"the backbone {backbone.spec!r} has no attention; name a language model, such as ppi-mini"
        )
    return backbone


def observe_backbone(encoder: PackedEncoder, unit: Unit, sides: Sequence[int]) -> Iterator[LayerView]:
    """Yield what each layer attends in a unit; the caller disables gradients.

    Only one layer's weights exist at a time, if the caller drops each view.

    Parameters
    ----------
    encoder
        Language model.
    unit
        Chains that are encoded together.
    sides
        Side of each chain: 0 for the ligand, 1 for the receptor.
    """
    tokens = encoder.vocabulary.encode([unit])
    device = next(encoder.parameters()).device
    ids, residue = (torch.from_numpy(part).to(device) for part in (tokens.ids, tokens.residue))
    rows = UnitRows.of([len(chain) for chain in unit], sides, residue, device)
    pack = ObservingPack(len(ids), device)
    states = encoder.states(ids, pack)
    hidden = next(states)
    for layer, following in enumerate(states):
        weights, outputs = pack.take()
        yield LayerView(Place(1, BACKBONE, layer), 0, weights, outputs, hidden.float(), rows)
        del weights, outputs
        hidden = following
