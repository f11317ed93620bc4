"""Arithmetic and memory traffic of a backbone, counted from its architecture and the lengths of units.

The cost of a pass is that of "Kinetics" (Sadhukhan et al. 2025): floating-point operations over the speed of
arithmetic, plus bytes over the speed of memory. The attention's part grows with the square of the length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from ppi.backbones.base import Backbone, Unit
from ppi.backbones.encoder import PackedEncoder
from ppi.embedding.batching import budget_batches
from ppi.embedding.units import unit_length

#: Bytes of a score of attention, which is computed in float32 whatever the data type of the values.
_SCORE_BYTES = 4
#: Times that a residual connection reads or writes a hidden state (two are read and one is written).
_RESIDUAL = 3


@dataclass(frozen=True)
class Work:
    """What some computation takes.

    Attributes
    ----------
    flops
        Floating-point operations of products of matrices; a multiplication and an addition are two.
    traffic
        Bytes that are read and written.
    """

    flops: float = 0.0
    traffic: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.traffic + other.traffic)

    def __mul__(self, times: float) -> Work:
        return Work(self.flops * times, self.traffic * times)


def pass_work(backbone: Backbone, units: Sequence[Unit], budget: int) -> Work:
    """Return the work of embedding distinct units.

    Parameters
    ----------
    backbone
        Backbone.
    units
        Units, each of which is embedded once.
    budget
        Maximum number of residues in a batch; each batch reads the weights once.
    """
    if not units:
        return Work()
    if not isinstance(backbone, PackedEncoder):  # A table of residues, which is looked up.
        return look_up_work(backbone, sum(map(unit_length, units)))
    lengths = [backbone.vocabulary.length(unit) for unit in units]
    batches = sum(1 for _ in budget_batches([unit_length(unit) for unit in units], budget))
    total = Work()
    for block in backbone.blocks[: backbone.blocks_used]:
        total += block_work(backbone, block, lengths, batches)
    return total


def look_up_work(backbone: Backbone, residues: int) -> Work:
    """Return the work of reading and writing one row for each residue."""
    return Work(traffic=2.0 * residues * backbone.dim * backbone.dtype.itemsize)


def block_work(encoder: PackedEncoder, block: nn.Module, lengths: Sequence[int], batches: int) -> Work:
    """Return the work of one transformer block.

    Arithmetic is that of the products with weights, ``2 N`` for each weight and ``N`` tokens, and of
    attention, ``4 W n^2`` for queries of width ``W`` in all heads and a sequence of ``n`` tokens. Traffic is
    that of weights (once a batch), of the input and the output of each of these products and of each
    normalisation, of two residual connections, and of the scores, which are written and read once.

    Parameters
    ----------
    encoder, block
        Backbone, and one of its blocks.
    lengths
        Number of tokens of each sequence, with special tokens.
    batches
        Number of batches into which the sequences are divided.
    """
    tokens, squares = float(sum(lengths)), float(sum(length**2 for length in lengths))
    products = [module for module in block.modules() if isinstance(module, nn.Linear)]
    weights = sum(product.weight.numel() for product in products)
    normalised = sum(
        parameter.numel()
        for module in block.modules()
        if not isinstance(module, nn.Linear)
        for name, parameter in module.named_parameters(recurse=False)
        if name == "weight" and parameter.dim() == 1
    )
    attention = block.get_submodule(encoder.projection_out)
    assert isinstance(attention, nn.Linear)
    width, hidden = attention.in_features, attention.out_features
    values = sum(product.in_features + product.out_features for product in products)
    values += 2 * normalised + 4 * width + 2 * _RESIDUAL * hidden
    return Work(
        flops=2 * tokens * weights + 4 * width * squares,
        traffic=(batches * weights + tokens * values) * encoder.dtype.itemsize
        + 2 * _SCORE_BYTES * encoder.attention_heads * squares,
    )
