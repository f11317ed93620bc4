"""The mixer of the published probe: one ConvBERT layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, softmax

from heads.about import About
from heads.attention import ragged_attention
from heads.dropout import Dropout
from heads.kernels.convolution import depthwise_convolution
from heads.kernels.dynamic_convolution import WIDEST_KERNEL, dynamic_convolution
from heads.mixers.base import Mixer
from heads.options import AtLeastOne, DropoutRate
from heads.ragged import Segments


class ConvBertMixer(Mixer):
    """One ConvBERT layer (Jiang et al., NeurIPS 2020) whose attention and convolutions stay within a segment.

    Half of the width comes from self-attention with ``heads / head_ratio`` heads, half from span-based
    dynamic convolution; a feed-forward network follows; each has a residual connection and layer
    normalisation.

    Parameters
    ----------
    dim
        Width ``D``, a multiple of `heads`.
    heads, head_ratio, kernel, dropout
        Defaults as published with the probe: 8, 2, 7 and 0.2. The feed-forward width is ``D / 2``.
    attention_dropout
        Dropout rate of the attention weights. The published value is 0.1; the default is 0, because drawing a
        random number for each pair of residues takes most of the time of the attention on a CPU.

    Raises
    ------
    ValueError
        If the heads do not divide the width or the head ratio the heads, or the kernel is even or too wide.
    """

    order_sensitive = True
    about = About(
        "Jiang et al. 2020, ConvBERT; the probe of arXiv 2505.20036",
        "n^2",
        "The default: softmax attention and span-based convolution, half of the width each.",
    )

    def __init__(
        self,
        dim: int,
        heads: AtLeastOne = 8,
        head_ratio: AtLeastOne = 2,
        kernel: AtLeastOne = 7,
        dropout: DropoutRate = 0.2,
        attention_dropout: DropoutRate = 0.0,
    ) -> None:
        super().__init__()
        if dim % heads or heads % head_ratio or kernel % 2 == 0 or kernel > WIDEST_KERNEL:
            raise ValueError(
                f"the width {dim} must be a multiple of {heads} heads, the heads of the head ratio "
                f"{head_ratio}, and the kernel {kernel} odd and at most {WIDEST_KERNEL}"
            )
        self.kernel = kernel
        self.attention_dropout = attention_dropout
        self.heads = heads // head_ratio
        inner = self.heads * (dim // self.heads // head_ratio)
        self.query = nn.Linear(dim, inner)
        self.key = nn.Linear(dim, inner)
        self.value = nn.Linear(dim, inner)
        self.span_depthwise = nn.Conv1d(dim, dim, kernel, groups=dim, bias=False)
        self.span_pointwise = nn.Linear(dim, inner)
        self.kernel_weights = nn.Linear(inner, self.heads * kernel)
        self.convolved = nn.Linear(dim, inner)
        self.mix = nn.Linear(2 * inner, dim)
        self.mix_norm = nn.LayerNorm(dim, eps=1e-12)
        self.expand = nn.Linear(dim, dim // 2)
        self.contract = nn.Linear(dim // 2, dim)
        self.out_norm = nn.LayerNorm(dim, eps=1e-12)
        self.dropout = Dropout(dropout)

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        query = self.query(values)
        attended = ragged_attention(
            self._by_head(query),
            self._by_head(self.key(values)),
            self._by_head(self.value(values)),
            segments,
            segments,
            self.attention_dropout if self.training else 0.0,
        ).flatten(1)
        mixed = torch.cat([attended, self._dynamic_convolution(values, query, segments)], dim=1)
        values = self.mix_norm(values + self.dropout(self.mix(mixed)))
        changed = self.contract(gelu(self.expand(values)))
        return self.out_norm(values + self.dropout(changed))

    def _by_head(self, rows: Tensor) -> Tensor:
        """Reshape ``(T, H * E)`` to ``(T, H, E)``."""
        return rows.unflatten(1, (self.heads, -1))

    def _dynamic_convolution(self, values: Tensor, query: Tensor, segments: Segments) -> Tensor:
        """Convolve with a kernel that is computed for each residue from its span of neighbours."""
        span = depthwise_convolution(values, self.span_depthwise.weight.squeeze(1), segments)
        weights = self.kernel_weights(self.span_pointwise(span) * query).view(-1, self.heads, self.kernel)
        convolved = self.convolved(values)
        return dynamic_convolution(convolved, softmax(weights, dim=2).to(convolved.dtype), segments)
