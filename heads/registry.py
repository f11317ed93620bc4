"""Names of heads, mixers and poolings: the choices of configuration and command line.

A class is named by its path and imported when it is asked for, so that listing the names needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from heads.base import Head

#: What a backbone encodes in one go: a chain, a side or the whole complex.
EncodingUnit = Literal["chain", "side", "complex"]
HeadName = Literal["ec", "sc", "hp", "pad"]
MixerName = Literal["convbert", "none"]
PoolingName = Literal["attention", "mean", "max", "sigmoid", "multihead", "gated", "token-aware", "layers"]

#: Options of a head, mixer or pooling by name.
ComponentOptions = dict[str, bool | int | float | str | list[int]]

HEADS: dict[HeadName, str] = {
    "ec": "heads.ec:EmbeddingsConcatenation",
    "sc": "heads.sc:SequencesConcatenation",
    "hp": "heads.hp:HierarchicalPooling",
    "pad": "heads.pad:PooledAttentionAddition",
}
MIXERS: dict[MixerName, str] = {
    "convbert": "heads.mixers:ConvBertMixer",
    "none": "heads.mixers:IdentityMixer",
}
POOLINGS: dict[PoolingName, str] = {
    "attention": "heads.attention_pooling:AttentionPooling",
    "mean": "heads.pooling:MeanPooling",
    "max": "heads.pooling:MaxPooling",
    "sigmoid": "heads.attention_pooling:SigmoidPooling",
    "multihead": "heads.attention_pooling:MultiHeadAttentionPooling",
    "gated": "heads.attention_pooling:GatedAttentionPooling",
    "token-aware": "heads.attention_pooling:TokenAwarePooling",
    "layers": "heads.layer_pooling:LayerPooling",
}


def find(table: Mapping[Any, str], name: str) -> Any:
    """Import the class that `table` has under `name`.

    Raises
    ------
    ValueError
        If the name is not in the table; the message lists those that are.
    """
    if name not in table:
        raise ValueError(f"unknown name {name!r}; there are {', '.join(table)}")
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)


def with_options(make: Any, name: str, *arguments: Any, **options: Any) -> Any:
    """Call a class of a table with options by name.

    Raises
    ------
    ValueError
        If it has no such option; the message lists those that it has. Or if it refuses a value.
    """
    known = _options_of(make)
    unknown = sorted(options.keys() - known.keys())
    if unknown:
        raise ValueError(f"{name} has no option {unknown[0]!r}; it has {', '.join(sorted(known)) or 'none'}")
    for option, value in options.items():
        expected = _expected(option, known[option], value)
        if expected:
            raise ValueError(f"option {option} of {name} is {value!r}; {expected} was expected")
    return make(*arguments, **options)


def _expected(option: str, default: Any, value: Any) -> str:
    """Say what an option takes where it does not take a value: all whole numbers are sizes or counts."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if option.endswith("dropout"):
        return "" if isinstance(value, int | float) and 0 <= value < 1 else "a part of 1"
    for number in value if isinstance(value, list | tuple) else [value]:
        if isinstance(number, int | float) and (isinstance(number, bool | float) or number < 1):
            return "a whole number of at least 1"
    return ""


def build_head(
    name: HeadName,
    dim: int,
    mixer: MixerName = "convbert",
    pooling: PoolingName = "attention",
    **options: Any,
) -> Head:
    """Make a head for residue embeddings of width `dim`.

    Parameters
    ----------
    name, mixer, pooling
        Names of the tables.
    dim
        Width of the residue embeddings.
    options
        Of the head; see the class of its name and `heads.base.Head`.

    Raises
    ------
    ValueError
        If a name or an option is not known, or the width does not suit the head or the mixer.
    """
    head: Head = with_options(find(HEADS, name), name, dim, mixer, pooling, **options)
    return head


def _options_of(make: Any) -> dict[str, Any]:
    """Return the options of a class with their defaults, those that it hands on to its base among them."""
    positional = ("self", "dim", "mixer", "pooling")
    options: dict[str, Any] = {}
    for base in make.__mro__:
        if "__init__" not in vars(base) or base.__module__.partition(".")[0] != "heads":
            break
        parameters = signature(base.__init__).parameters.values()
        own = {p.name: p.default for p in parameters if p.kind != p.VAR_KEYWORD and p.name not in positional}
        options = own | options
        if all(p.kind != p.VAR_KEYWORD for p in parameters):
            break
    return options
