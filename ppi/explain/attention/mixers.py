"""Observe the attention of the mixers of a trained model, and switch heads off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

from torch import Tensor, nn

from heads.base import Head
from heads.mixers.block import AttentionBlock, AttentionMixer
from heads.ragged import LIGAND, Segments
from ppi.complexes import Complex
from ppi.embedding.cache import EmbeddingCache
from ppi.embedding.units import encode_complexes
from ppi.errors import InputError
from ppi.explain.attention.packs import muted
from ppi.explain.attention.units import sides_of_units
from ppi.explain.attention.view import LayerView, Place, UnitRows
from ppi.models.affinity import AffinityModel
from ppi.prediction.engine import embedded_batches

#: Names of the mixers of a head, with those in a table.
_MIXERS = {"mixer": "mixer", "receptor_mixer": "receptor mixer"}


def attention_blocks(model: AffinityModel) -> dict[Place, AttentionBlock]:
    """Return the transformer blocks of all mixers of a model.

    Raises
    ------
    InputError
        If it has none, or its blocks reuse the selection of the first one, so that their own weights are not
        used.
    """
    if any(isinstance(part, AttentionMixer) and part.reuse_selection for part in model.modules()):
        raise InputError(
            "the blocks of the model's mixer reuse the selection of the first one (reuse_selection), "
            "so their "
            "own weights are not used; give a model that was trained without it"
        )
    found = {
        Place(member, part, layer): cast(AttentionBlock, block)
        for member, head in enumerate(model.heads, start=1)
        for name, mixer in _MIXERS.items()
        for part, stack in _stacks(getattr(head, name), mixer).items()
        for layer, block in enumerate(stack.blocks)
    }
    if not found:
        raise InputError(
            f"the model's mixer is {model.config.mixer!r}, which has no attention; give a model that was "
            "trained with --mixer attention, or --backbone for the attention of a language model"
        )
    return found


def _stacks(mixer: nn.Module | None, name: str) -> dict[str, AttentionMixer]:
    """Return the stack of blocks of a mixer, or that of each expert of a mixture, by its name in a table."""
    parts = [] if mixer is None else [part for part in mixer.modules() if isinstance(part, AttentionMixer)]
    if len(parts) == 1:
        return {name: parts[0]}
    return {f"{name} expert {number}": part for number, part in enumerate(parts)}


def observe_mixers(
    model: AffinityModel, item: Complex, cache: EmbeddingCache, see: Callable[[LayerView], None]
) -> None:
    """Predict a complex and call `see` with what each block attends in each unit; the caller disables
    gradients.

    A symmetric head mixes both assignments of the roles; only the given one is observed.

    Raises
    ------
    InputError
        If an attention never forms weights, or the complex is over the limit of the backbone.
    """
    encoded, _ = encode_complexes(
        [item], model.encoding_unit, model.backbone.max_residues, both_orders=model.both_orders
    )
    ((_, batch),) = embedded_batches(encoded, cache)
    units = sides_of_units(item, encoded[0])
    rows = [
        UnitRows.of([len(chain) for chain in unit], sides, device=batch.values.device)
        for unit, sides in units
    ]
    roles = batch.layout.unit_role
    with ExitStack() as stack:
        for place, block in attention_blocks(model).items():
            head = cast(Head, model.heads[place.member - 1])
            own = [
                number
                for number, role in enumerate(roles)
                if head.receptor_mixer is None
                or (role == LIGAND) != place.part.startswith(_MIXERS["receptor_mixer"])
            ]
            stack.enter_context(_observed(place, block, {number: rows[number] for number in own}, see))
        model.predict(batch, [item])


@contextmanager
def _observed(
    place: Place, block: AttentionBlock, units: dict[int, UnitRows], see: Callable[[LayerView], None]
) -> Iterator[None]:
    """Observe the first call of a block, for these units in this order."""
    inputs: list[Tensor] = []
    attention = block.attention

    def keep(_: nn.Module, arguments: tuple[Tensor, Segments]) -> None:
        inputs.append(arguments[0])

    def observe(_: nn.Module, arguments: tuple[Tensor, Tensor, Tensor, Segments], output: Tensor) -> None:
        if len(inputs) > 1:
            return
        query, key, _value, segments = arguments
        parts = (part.split(segments.lengths) for part in (query, key, output, inputs[0]))
        for index, ((number, rows), queries, keys, outputs, hidden) in enumerate(
            zip(units.items(), *parts, strict=True)
        ):
            one = segments.take([index])[1]
            weights = attention.weights(queries, keys, one)
            if weights is None:
                raise InputError(
                    f"the attention {type(attention).__name__} of the {place.part} never forms weights, so "
                    "there is nothing to diagnose; train with an attention that does, such as softmax"
                )
            see(LayerView(place, number, weights[0].float(), outputs.float(), hidden.float(), rows))

    hooks = [block.register_forward_pre_hook(keep), attention.register_forward_hook(observe)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def head_off(block: AttentionBlock, head: int) -> Iterator[None]:
    """Zero what one head of a block gives to the output projection, whatever the attention and its gate."""
    attention_heads = block.attention.heads

    def zero(_module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (muted(inputs[0].unflatten(1, (attention_heads, -1)), [head]).flatten(1),)

    hook = block.out.register_forward_pre_hook(zero)
    try:
        yield
    finally:
        hook.remove()
