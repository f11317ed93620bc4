"""Attention within sequences that are packed without padding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from heads.kernels.dense import AttentionBias, attend_runs
from heads.kernels.flash import flash_takes, ragged_flash


class Pack:
    """The positions of ``S`` sequences among ``N`` packed tokens.

    Parameters
    ----------
    lengths
        Number of tokens of each sequence. Neighbours of equal length are computed together, so sorting saves
        time.
    device
        Device of the tokens.
    """

    def __init__(self, lengths: Sequence[int], device: torch.device | str) -> None:
        self.longest = max(lengths)
        total, counts = sum(lengths), torch.tensor(lengths)
        self.offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]).to(device)
        starts = torch.repeat_interleave(self.offsets[:-1], counts.to(device), output_size=total)
        #: ``(N,)`` int64: the position of each token in its own sequence, from 0.
        self.positions = torch.arange(total, device=device) - starts
        self._runs = [(length, length, len(list(run))) for length, run in groupby(lengths)]

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, *, scale: float, bias: AttentionBias | None = None
    ) -> Tensor:
        """Compute the attention of each token to the tokens of its own sequence.

        Parameters
        ----------
        query, key, value
            ``(N, H, E)`` for ``H`` heads of width ``E``.
        scale
            Factor that multiplies the scores.
        bias
            Bias added to the scores of a sequence, in the data type of the values.

        Returns
        -------
        Tensor
            ``(N, H * E)``.
        """
        # Under autocast, values have the type of projections, but queries and keys the float32 of norms and
        # rotations.
        query, key = query.to(value.dtype), key.to(value.dtype)
        if bias is None and flash_takes(query):
            # The default scale of torch is E ** -0.5.
            query = query * (scale * query.shape[2] ** 0.5)
            offsets, longest = self.offsets, self.longest
            return ragged_flash(query, key, value, offsets, offsets, longest, longest)
        return attend_runs(query, key, value, self._runs, scale=scale, bias=bias)


def projected_dtype(weight: Tensor) -> torch.dtype:
    """Return the data type of projections by a weight: that of autocast if it is on."""
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype


class Rotary:
    """Rotary position embedding (Su et al. 2021): the halves of each head are rotated by position.

    Parameters
    ----------
    width
        Width of a head, ``E``, which must be even.
    positions
        ``(N,)`` position of each token.
    dtype
        Data type of the rotated values.
    """

    def __init__(self, width: int, positions: Tensor, dtype: torch.dtype, base: float = 10_000.0) -> None:
        steps = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width
        angles = (positions.float().unsqueeze(1) * base**-steps).repeat(1, 2).unsqueeze(1)
        self.cosine, self.sine = angles.cos().to(dtype), angles.sin().to(dtype)

    def turn(self, projected: Tensor) -> Tensor:
        """Rotate ``(N, H, E)``."""
        first, second = projected.chunk(2, dim=2)
        return projected * self.cosine + torch.cat([-second, first], dim=2) * self.sine
