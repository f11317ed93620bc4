"""A model in pieces: each process of a run holds its share of what is trained (FSDP)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from heads.base import Head
from ppi.backbones.encoder import PackedEncoder


def shard(backbone: PackedEncoder, head: Head, mesh: DeviceMesh) -> None:
    """Leave on each process its share of parameters, gradients and state of the optimiser.

    A block of the backbone is put together where it is computed, forwards and backwards, and taken apart
    again; so are the rest of the backbone, and the head. All processes must compute equally often.
    """
    for block in backbone.blocks:
        # A block is not called itself, but its layers are, which makes them a group all the same.
        fully_shard([layer for layer in block.modules() if _has_own(layer)], mesh=mesh)
    for part, method in ((backbone, "embed"), (head, "all_outputs")):
        fully_shard(part, mesh=mesh)
        register_fsdp_forward_method(part, method)


def whole(value: Tensor) -> Tensor:
    """Return what the pieces of a tensor make together, which all processes must ask for."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def _has_own(layer: torch.nn.Module) -> bool:
    return next(layer.parameters(recurse=False), None) is not None
