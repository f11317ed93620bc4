"""Prepare the parameters of a backbone that are trained together with the head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from ppi.backbones.base import Backbone
from ppi.backbones.encoder import PackedEncoder
from ppi.errors import BackboneError, SettingsError
from ppi.models.head_mix import add_head_mixes, means_of
from ppi.models.tuning_settings import TuningSettings


def prepare_tuning(backbone: Backbone, tuning: TuningSettings) -> None:
    """Enable gradients for exactly the parameters that `tuning` selects.

    All of them affect the embeddings. With lora, low-rank matrices are added to the linear layers: one of
    each pair is drawn by torch's global random generator, the other is zero. With attention-heads, slices of
    the chosen heads become separate parameters, so that neither gradients nor weight decay change the other
    heads. With head-mix, each layer gets a `ppi.models.head_mix.HeadMix`. In all three cases the embeddings
    are initially unchanged.

    Parameters
    ----------
    backbone
        Backbone, which is changed in place; it can be prepared only once.
    tuning
        Settings that select the parameters to train.

    Raises
    ------
    SettingsError
        If the backbone has no weights, or no such layers, heads, targets or output projections.
    BackboneError
        If the method is lora and peft is not installed.
    """
    if tuning.frozen:
        backbone.requires_grad_(False)
        return
    encoder = tuned_encoder(backbone, tuning)
    used = _parameters_used(encoder)
    encoder.requires_grad_(False)
    encoder.gradient_checkpointing = tuning.gradient_checkpointing
    if tuning.method == "full":
        _train(used)
    elif tuning.method == "last-layers":
        _train_last_layers(encoder, tuning.last_layers, used)
    elif tuning.method == "lora":
        _add_lora(encoder, tuning)
    elif tuning.method == "attention-heads":
        _train_heads(encoder, tuning)
    else:
        add_head_mixes(encoder)


def tuned_encoder(backbone: Backbone, tuning: TuningSettings) -> PackedEncoder:
    """Return a backbone if it has weights to train.

    Raises
    ------
    SettingsError
        If it has none.
    """
    if not isinstance(backbone, PackedEncoder):
        raise SettingsError(
            f"tuning.method {tuning.method}: the backbone {backbone.spec} has nothing to train; choose a "
            "language model, such as esm2-8m"
        )
    return backbone


def parameter_groups(backbone: Backbone, tuning: TuningSettings, weight_decay: float) -> list[dict[str, Any]]:
    """Return the parameter groups of AdamW for a prepared backbone.

    Vectors (biases, and the scales of norms) have no weight decay.

    Parameters
    ----------
    backbone
        Backbone after `prepare_tuning`.
    tuning
        Settings with the learning rate.
    weight_decay
        Weight decay of matrices.

    Returns
    -------
    list of dict
        At most two groups, none of them empty.
    """
    trained = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    groups = (
        ([parameter for parameter in trained if parameter.ndim > 1], weight_decay),
        ([parameter for parameter in trained if parameter.ndim <= 1], 0.0),
    )
    return [
        {"params": parameters, "lr": tuning.learning_rate, "weight_decay": decay}
        for parameters, decay in groups
        if parameters
    ]


def tuned_names(module: nn.Module) -> set[str]:
    """Return the names of what is saved of a module with a prepared backbone: trained parameters and means of
    heads.
    """
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    return trained | means_of(module)


def _train(parameters: Iterable[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.requires_grad_(True)


def _parameters_used(encoder: PackedEncoder) -> list[nn.Parameter]:
    """Return the trainable parameters that the embeddings depend on."""
    idle = list(encoder.blocks[encoder.blocks_used :])
    if encoder.blocks_used < len(encoder.blocks):
        idle.append(encoder.final_norm)
    unused = {parameter for module in idle for parameter in module.parameters()}
    return [p for p in encoder.parameters() if p.requires_grad and p not in unused]


def _train_last_layers(encoder: PackedEncoder, count: int, used: Iterable[nn.Parameter]) -> None:
    if count > encoder.blocks_used:
        raise SettingsError(
            f"tuning.last_layers is {count}, but the embeddings of {encoder.spec} come from "
            f"{encoder.blocks_used} layers"
        )
    last = [*encoder.blocks[encoder.blocks_used - count : encoder.blocks_used], encoder.final_norm]
    chosen = {parameter for module in last for parameter in module.parameters()}
    _train(parameter for parameter in used if parameter in chosen)


def _add_lora(encoder: PackedEncoder, tuning: TuningSettings) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise BackboneError("tuning.method lora needs peft: pip install 'ppi-affinity[lora]'") from error
    targets = tuning.targets or (*encoder.projections_in, encoder.projection_out)
    options: dict[str, Any] = {"r": tuning.rank, "lora_alpha": tuning.alpha, "lora_dropout": tuning.dropout}
    modules = _linear_layers(encoder, targets)
    inject_adapter_in_model(LoraConfig(target_modules=modules, **options), encoder)


def _linear_layers(encoder: PackedEncoder, targets: Sequence[str]) -> list[str]:
    """Return the names of the linear layers, inside the blocks used, that end with one of the targets."""
    names = {module: name for name, module in encoder.named_modules()}
    within = {
        f"{names[block]}.{name}": name
        for block in encoder.blocks[: encoder.blocks_used]
        for name, module in block.named_modules()
        if isinstance(module, nn.Linear)
    }
    for target in targets:
        if not any(_ends_with(name, target) for name in within):
            known = ", ".join(dict.fromkeys(within.values()))
            raise SettingsError(
                f"tuning.targets: no linear layer in the {encoder.blocks_used} layers that the embeddings of "
                f"{encoder.spec} come from is called {target!r}; there are {known or 'none'}"
            )
    return [name for name in within if any(_ends_with(name, target) for target in targets)]


def _ends_with(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _train_heads(encoder: PackedEncoder, tuning: TuningSettings) -> None:
    if tuning.share is not None:
        raise SettingsError(
            f"tuning.attention_heads is {tuning.attention_heads[0]}, but only ppi train can choose the "
            "heads; name them as LAYER:HEAD"
        )
    heads_of: dict[int, set[int]] = {}
    for choice in tuning.attention_heads:
        layer, heads = _layer_and_heads(encoder, choice)
        heads_of.setdefault(layer, set()).update(heads)
    for layer, of_layer in heads_of.items():
        block, heads = encoder.blocks[layer], torch.tensor(sorted(of_layer))
        last = block.get_submodule(encoder.projection_out)
        width = last.get_parameter("weight").shape[1]
        for name in encoder.projections_in:
            projection = block.get_submodule(name)
            rows = _of_heads(
                projection.get_parameter("weight").shape[0], width, encoder.attention_heads, heads
            )
            for tensor, parameter in list(projection.named_parameters(recurse=False)):
                _train_slices(projection, tensor, 0, rows.to(parameter.device))
        columns = _of_heads(width, width, encoder.attention_heads, heads)
        _train_slices(last, "weight", 1, columns.to(last.get_parameter("weight").device))


def _layer_and_heads(encoder: PackedEncoder, choice: str) -> tuple[int, Iterable[int]]:
    layer, _, head = choice.partition(":")
    if int(layer) >= encoder.blocks_used or (head and int(head) >= encoder.attention_heads):
        raise SettingsError(
            f"tuning.attention_heads: {choice} does not exist; the embeddings of {encoder.spec} come from "
            f"{encoder.blocks_used} layers, counted from 0, with heads 0 to {encoder.attention_heads - 1}"
        )
    return int(layer), [int(head)] if head else range(encoder.attention_heads)


def _of_heads(size: int, width: int, count: int, heads: Tensor) -> Tensor:
    """Return which of `size` rows or columns belong to the chosen heads; each `width` of them contain all
    `count` heads.
    """
    return torch.arange(size).view(size // width, count, -1)[:, heads].flatten()


def _train_slices(module: nn.Module, name: str, dim: int, index: Tensor) -> None:
    whole = module.get_parameter(name).detach()
    register_parametrization(module, name, _Slices(whole, dim, index))
    _train(module.get_submodule(f"parametrizations.{name}").parameters())


class _Slices(nn.Module):
    """A parametrisation of a tensor in which only some slices are trained.

    Parameters
    ----------
    whole
        Full tensor, which is not part of state dictionaries.
    dim
        Dimension that is indexed.
    index
        ``(S,)`` int64 indices of the slices.
    """

    whole: Tensor
    index: Tensor

    def __init__(self, whole: Tensor, dim: int, index: Tensor) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("whole", whole, persistent=False)
        self.register_buffer("index", index, persistent=False)

    def forward(self, slices: Tensor) -> Tensor:
        """Return the full tensor with the slices inserted."""
        return self.whole.index_copy(self.dim, self.index, slices)

    def right_inverse(self, whole: Tensor) -> Tensor:
        """Return the slices of a full tensor."""
        return whole.index_select(self.dim, self.index)
