"""Linear attention with decay, in both directions, computed in blocks."""

from __future__ import annotations

from math import log2

import torch
from torch import Tensor
from torch.nn.functional import silu

from heads.about import About
from heads.kernels.dispatch import triton_takes
from heads.mixers.attention.base import Attention
from heads.mixers.attention.blocks import Blocks
from heads.options import Fraction
from heads.ragged import Segments

#: Rows of a block: products inside a block are dense.
_BLOCK = 64
_EPSILON = 1e-6


class LinearAttention(Attention):
    """``norm(sum_j lambda^|i - j| (silu(q_i) silu(k_j)) v_j)``, ``norm`` the root mean square over a head.

    Source: Qin et al. 2024, "Various Lengths, Constant Speed: Efficient Language Modeling with Lightning
    Attention" and "Lightning Attention-2". Inside a block the weights are formed; between blocks a running
    sum of ``k v^T`` per head stands for all earlier (and later) rows. The norm replaces a denominator.

    Parameters
    ----------
    heads, width
        See `Attention`.
    decay
        Factor ``lambda`` per residue of distance of the head that sees farthest. The half-lives of the heads
        grow geometrically from one residue to that of this head.
    """

    order_sensitive = True
    about = About(
        "Qin et al. 2024, Lightning Attention and Lightning Attention-2",
        "n",
        "Kernel attention with decay by distance, for long complexes at constant speed per residue.",
    )

    def __init__(self, heads: int, width: int, decay: Fraction = 0.999) -> None:
        super().__init__(heads, width)
        longest = -1 / log2(decay)
        exponents = torch.linspace(0, 1, heads, dtype=torch.float64) if heads > 1 else torch.ones(1)
        self.decays: Tensor
        self.register_buffer("decays", (0.5 ** (1 / longest**exponents)).float(), persistent=False)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        decays = self.decays.to(torch.promote_types(torch.float32, value.dtype))
        if triton_takes(value, self.width):
            # Imported here, because its kernels need Triton.
            from heads.kernels.decay_triton import decayed_sums
        else:
            decayed_sums = _decayed_sums
        total = decayed_sums(silu(query), silu(key), value, decays, segments)
        normed = total * (total.square().mean(2, keepdim=True) + _EPSILON).rsqrt()
        return normed.to(value.dtype)


def _decayed_sums(query: Tensor, key: Tensor, value: Tensor, decays: Tensor, segments: Segments) -> Tensor:
    """Return ``sum_j decay^|i - j| (q_i k_j) v_j``, ``(T, H, d)``, in the type of the decays."""
    blocks = Blocks.of(segments, _BLOCK)
    queries, keys, values = (blocks.split(part) for part in (query, key, value))
    places, decay = torch.arange(_BLOCK, device=query.device), decays.view(-1, 1, 1)
    inside = decay ** (places - places.unsqueeze(1)).abs()
    from_start, to_end = (decay ** each.unsqueeze(1) for each in (places, _BLOCK - places))
    near = ((queries @ keys.transpose(2, 3)) * inside).to(values.dtype) @ values
    of_earlier, of_later = (
        (keys * factor).to(values.dtype).transpose(2, 3) @ values for factor in (to_end, from_start)
    )
    far = decays**_BLOCK
    states = [blocks.earlier(of_earlier.to(decay.dtype), far), blocks.later(of_later.to(decay.dtype), far)]
    seen = torch.cat([queries * from_start, queries * to_end], dim=3)
    total = near + seen.to(values.dtype) @ torch.cat(states, dim=2).to(values.dtype)
    return blocks.join(total.to(decay.dtype))
