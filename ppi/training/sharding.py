"""Sharded training (FSDP): each process of a run has its share of what is trained."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from heads.base import Head
from ppi.backbones.encoder import PackedEncoder


def shard(backbone: PackedEncoder, head: Head, mesh: DeviceMesh) -> None:
    """Shard parameters, gradients and the state of the optimiser between the processes.

    Each block of the backbone is gathered for its forward and backward computation and freed again; so are
    the rest of the backbone, and the head. All processes must compute equally often.
    """
    for block in backbone.blocks:
        # Not the block itself but its layers are called, which still makes them a group.
        fully_shard([layer for layer in block.modules() if _has_own(layer)], mesh=mesh)
    for part, method in ((backbone, "embed"), (head, "all_outputs")):
        fully_shard(part, mesh=mesh)
        register_fsdp_forward_method(part, method)


def full_tensor(value: Tensor) -> Tensor:
    """Return the full tensor from its shards; all processes must call this."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def _has_own(layer: torch.nn.Module) -> bool:
    return next(layer.parameters(recurse=False), None) is not None
