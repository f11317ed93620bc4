"""Names of heads, mixers, attentions and poolings: the choices in configurations and on the command line.

This module does not import torch: a built-in class is listed by its path and imported on first use. A
class of any other package joins a table with a decorator, such as ``@register_mixer("mine")``, and can then
be chosen, trained, saved and loaded by its name wherever the module that defines it has been imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Literal, TypeVar

from heads.suggestions import did_you_mean

#: What a backbone encodes together: a chain, a side or the complex.
EncodingUnit = Literal["chain", "side", "complex"]

Part = TypeVar("Part", bound=type)


class PartTable(Mapping[str, str]):
    """The parts of one kind by name, each with its path ``module:class``.

    Parameters
    ----------
    kind
        What the parts are called, in the singular, for the error messages.
    built_in
        The path of each part of this package.
    """

    def __init__(self, kind: str, built_in: Mapping[str, str]) -> None:
        self.kind = kind
        self._paths = dict(built_in)
        self._registered: dict[str, type] = {}

    def __getitem__(self, name: str) -> str:
        return self._paths[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def register(self, name: str) -> Callable[[Part], Part]:
        """Return a decorator that lists a class under `name`.

        Raises
        ------
        ValueError
            If the name belongs to another class already.
        TypeError
            If the decorated object is not a class.
        """

        def listed(part: Part) -> Part:
            if not isinstance(part, type):
                raise TypeError(f"the {self.kind} {name!r} is {part!r}; register a class")
            path = f"{part.__module__}:{part.__qualname__}"
            if self._paths.setdefault(name, path) != path:
                raise ValueError(
                    f"the {self.kind} {name!r} is {self._paths[name]} already; register {path} under "
                    "another name"
                )
            self._registered[name] = part
            return part

        return listed

    def check(self, name: str) -> str:
        """Return the name if it is registered.

        Raises
        ------
        ValueError
            If it is not registered; the message lists the names.
        """
        if name not in self._paths:
            raise ValueError(
                f"there is no {self.kind} {name!r}; choose one of {', '.join(self)}, or first import the "
                f"module that registers it{did_you_mean(name, self)}"
            )
        return name

    def find(self, name: str) -> Any:
        """Return the class, or other callable, that is registered under `name`; import it if necessary.

        Raises
        ------
        ValueError
            If the name is not registered.
        """
        if self.check(name) in self._registered:
            return self._registered[name]
        module, _, attribute = self._paths[name].partition(":")
        return getattr(import_module(module), attribute)


HEADS = PartTable(
    "head",
    {
        "ec": "heads.ec:EmbeddingsConcatenation",
        "sc": "heads.sc:SequencesConcatenation",
        "hp": "heads.hp:HierarchicalPooling",
        "pad": "heads.pad:PooledAttentionAddition",
    },
)
MIXERS = PartTable(
    "mixer",
    {
        "convbert": "heads.mixers.convbert:ConvBertMixer",
        "attention": "heads.mixers.block:AttentionMixer",
        "mixture": "heads.mixers.mixture:MixtureMixer",
        "none": "heads.mixers.identity:IdentityMixer",
    },
)
ATTENTIONS = PartTable(
    "attention",
    {
        "softmax": "heads.mixers.attention.softmax:SoftmaxAttention",
        "uniform": "heads.mixers.attention.uniform:UniformAttention",
        "static": "heads.mixers.attention.static:StaticAttention",
        "random": "heads.mixers.attention.random:RandomAttention",
        "relu": "heads.mixers.attention.relu:ReluAttention",
        "sigmoid": "heads.mixers.attention.sigmoid:SigmoidAttention",
        "linear": "heads.mixers.attention.linear:LinearAttention",
        "flow": "heads.mixers.attention.flow:FlowAttention",
        "local": "heads.mixers.attention.local:LocalAttention",
        "power": "heads.mixers.attention.power:PowerAttention",
        "spans": "heads.mixers.attention.spans:SpansAttention",
        "isolated": "heads.mixers.attention.isolated:IsolatedAttention",
        "block-sparse": "heads.mixers.attention.block_sparse:BlockSparseAttention",
        "flex": "heads.mixers.attention.flex:FlexAttention",
        "hierarchical": "heads.mixers.attention.hierarchical:HierarchicalAttention",
        "native-sparse": "heads.mixers.attention.native_sparse:NativeSparseAttention",
        "moh": "heads.mixers.attention.moh:MixtureOfHeads",
        "gated": "heads.mixers.attention.gated:GatedAttention",
        "recalibrated": "heads.mixers.attention.recalibrated:RecalibratedAttention",
    },
)
POOLINGS = PartTable(
    "pooling",
    {
        "attention": "heads.poolings.weighted:AttentionPooling",
        "mean": "heads.poolings.plain:MeanPooling",
        "max": "heads.poolings.plain:MaxPooling",
        "statistics": "heads.poolings.statistics:StatisticsPooling",
        "sigmoid": "heads.poolings.weighted:SigmoidPooling",
        "multihead": "heads.poolings.multihead:MultiHeadAttentionPooling",
        "gated": "heads.poolings.weighted:GatedAttentionPooling",
        "token-aware": "heads.poolings.token_aware:TokenAwarePooling",
        "layers": "heads.poolings.layers:LayerPooling",
    },
)

register_head = HEADS.register
register_mixer = MIXERS.register
register_attention = ATTENTIONS.register
register_pooling = POOLINGS.register
