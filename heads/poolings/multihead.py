"""Attention pooling by several heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heads.kernels.pooling import attention_pool
from heads.options import AtLeastOne
from heads.poolings.weighted import AttentionPooling
from heads.ragged import Segments


class MultiHeadAttentionPooling(AttentionPooling):
    """`AttentionPooling` with several heads; each has its own score and pools its own part of the columns.

    Parameters
    ----------
    dim
        Width of the rows. The columns are divided evenly between the heads; where they do not divide evenly,
        the first heads have one more.
    heads
        Number of heads, at most `dim`.

    Raises
    ------
    ValueError
        If there are more heads than columns.
    """

    def __init__(self, dim: int, heads: AtLeastOne = 8) -> None:
        super().__init__(dim)
        if heads > dim:
            raise ValueError(f"{heads} pooling heads are more than the width of {dim}; choose at most {dim}")
        self.score = nn.Linear(dim, heads, bias=False)
        self.columns: Tensor
        self.register_buffer("columns", _padded_columns(dim, heads), persistent=False)

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        heads = self.score.out_features
        if self.dim % heads == 0:
            return super().forward(values, segments)
        width = heads * -(-self.dim // heads)
        spread = values.new_zeros(len(values), width).index_copy(1, self.columns, values)
        return attention_pool(spread, self.scores(values), segments)[:, self.columns]


def _padded_columns(dim: int, heads: int) -> Tensor:
    """Return ``(D,)``: the index of each column after all heads are padded to one width."""
    least, more = divmod(dim, heads)
    widest = least + (more > 0)
    return torch.cat([torch.arange(least + (head < more)) + head * widest for head in range(heads)])
