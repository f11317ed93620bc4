"""Tuning of a language model by one number per attention head: how much of its mean replaces its output.

Source: "Soft Injection of Task Embeddings Outperforms Prompt-Based In-Context Learning" (2025), which mixes
the activations of attention heads with those of a task by learned parameters. Here the activation of the task
is the mean over training complexes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ppi.backbones.base import Unit
from ppi.backbones.encoder import PackedEncoder
from ppi.embedding.batching import budget_batches
from ppi.embedding.here import default_budget
from ppi.embedding.sources import LiveUnits
from ppi.embedding.units import unit_length
from ppi.errors import SettingsError

_NAME = "head_mix"


class HeadMix(nn.Module):
    """Replace the output ``h`` of each head by ``(1 - a) h + a t``, before the output projection.

    ``a`` is learned, and starts at 0, so that the embeddings are those of the checkpoint. It is not bounded,
    because a sigmoid never gives 0, and its gradient vanishes towards 0 and 1. Below 0, tokens differ more
    from the mean than in the checkpoint.

    Parameters
    ----------
    heads
        Number of heads, ``H``.
    width
        Width of a head, ``E``.

    Attributes
    ----------
    amount
        ``(H,)``: ``a`` of each head.
    mean
        ``(H, E)``: ``t``, the mean output of each head, which is saved with the model; see `measure_means`.
    """

    mean: Tensor

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.amount = nn.Parameter(torch.zeros(heads))
        self.register_buffer("mean", torch.zeros(heads, width))

    def forward(self, attended: Tensor) -> Tensor:
        """Mix ``(N, H * E)`` outputs of heads."""
        heads = attended.unflatten(1, self.mean.shape)
        mixed: Tensor = (heads + self.amount.unsqueeze(1) * (self.mean - heads)).flatten(1)
        return mixed


def add_head_mixes(encoder: PackedEncoder) -> None:
    """Add a mix of heads to each layer that the embeddings depend on; the embeddings do not change.

    Raises
    ------
    SettingsError
        If the backbone does not name its output projections.
    """
    if not (hasattr(encoder, "projection_out") and hasattr(encoder, "attention_heads")):
        raise SettingsError(
            f"tuning.method head-mix needs the output projections of the attention heads, which the backbone "
            f"{encoder.spec} does not name; choose another method, such as last-layers"
        )
    for block in encoder.blocks[: encoder.blocks_used]:
        projection = block.get_submodule(encoder.projection_out)
        weight = projection.get_parameter("weight")
        mix = HeadMix(encoder.attention_heads, weight.shape[1] // encoder.attention_heads)
        projection.add_module(_NAME, mix.to(weight.device, weight.dtype))
        projection.register_forward_pre_hook(_mix_inputs)


def means_of(module: nn.Module) -> set[str]:
    """Return the names of the means inside a module."""
    return {f"{name}.mean" for name, part in module.named_modules() if isinstance(part, HeadMix)}


@torch.no_grad()
def measure_means(encoder: PackedEncoder, units: Sequence[Unit], dtype: torch.dtype) -> None:
    """Set the mean of each head to that over all tokens of units; all amounts must still be 0.

    Parameters
    ----------
    encoder
        Language model after `add_head_mixes`, on the device where it computes.
    units
        Units of training complexes.
    dtype
        Data type of the computation.
    """
    mixes = [part for part in encoder.modules() if isinstance(part, HeadMix)]
    totals = {mix: torch.zeros_like(mix.mean, dtype=torch.float64) for mix in mixes}
    tokens = Counter[HeadMix]()

    def add(module: nn.Module, inputs: tuple[Tensor]) -> None:
        mix = cast(HeadMix, module)
        totals[mix] += inputs[0].sum(0, dtype=torch.float64).view_as(mix.mean)
        tokens[mix] += len(inputs[0])

    hooks = [mix.register_forward_pre_hook(add) for mix in mixes]
    live = LiveUnits(encoder, dtype)
    budget = default_budget(encoder, str(next(encoder.parameters()).device))
    for batch in budget_batches([unit_length(unit) for unit in units], budget):
        live.rows([units[number] for number in batch])
    for hook in hooks:
        hook.remove()
    for mix, total in totals.items():
        mix.mean.copy_(total / tokens[mix])


def _mix_inputs(projection: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (projection.get_submodule(_NAME)(inputs[0]),)
