"""How fast this machine computes the blocks of a backbone, by a probe of about a second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ppi.backbones.base import Backbone, Unit
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.packing import Pack
from ppi.embedding.cost import Work, block_work, look_up_work, pass_work
from ppi.embedding.here import default_budget
from ppi.embedding.units import unit_length

#: Quantiles of the lengths of units, over their residues, at which a block is timed.
_QUANTILES = (0.2, 0.8)
#: Seconds of repeated runs at each of them, and seconds of one run that are enough.
_SECONDS, _ENOUGH = 0.3, 0.1
_FEWEST_TOKENS, _MOST_TOKENS = 256, 65_536


@dataclass(frozen=True)
class Rates:
    """Seconds of arithmetic and of memory traffic on this machine.

    Attributes
    ----------
    per_flop, per_byte
        Seconds of one operation, and of one byte; one of them is 0 where the other explains the time alone.
    """

    per_flop: float
    per_byte: float

    def seconds(self, work: Work) -> float:
        """Return the predicted seconds of some work: arithmetic plus traffic."""
        return work.flops * self.per_flop + work.traffic * self.per_byte


def predict_seconds(
    backbone: Backbone, units: Sequence[Unit], device: str, *, token_budget: int | None = None
) -> float:
    """Return the predicted seconds of embedding distinct units on a device, without embedding them.

    Parameters
    ----------
    backbone
        Backbone, on the device.
    units
        Units; 0 seconds if there are none.
    device
        ``cpu`` or ``cuda:N``.
    token_budget
        See `ppi.embedding.engine.embed_units`.
    """
    if not units:
        return 0.0
    budget = token_budget or default_budget(backbone, device)
    lengths = [unit_length(unit) for unit in units]
    return measure_rates(backbone, lengths, budget).seconds(pass_work(backbone, units, budget))


def measure_rates(backbone: Backbone, lengths: Sequence[int], budget: int) -> Rates:
    """Time one block of a backbone on made-up sequences, short ones and long ones.

    Parameters
    ----------
    backbone
        Backbone, on its device.
    lengths
        Number of residues of the units that will be embedded; two of them are timed.
    budget
        Maximum number of residues in a batch.
    """
    probes = [_timed(backbone, length, min(budget, _MOST_TOKENS)) for length in _quantiles(lengths)]
    return fitted([work for work, _ in probes], [seconds for _, seconds in probes])


def fitted(works: Sequence[Work], seconds: Sequence[float]) -> Rates:
    """Return the rates, none negative, that explain measured seconds with the least relative error."""
    from scipy.optimize import nnls

    table = np.array([(work.flops, work.traffic) for work in works]) / np.array(seconds)[:, None]
    scale = np.maximum(table.max(axis=0), 1e-300)
    found, _ = nnls(table / scale, np.ones(len(table)))
    per_flop, per_byte = found / scale
    return Rates(float(per_flop), float(per_byte))


def _quantiles(lengths: Sequence[int]) -> list[int]:
    """Return lengths below which given fractions of all residues are."""
    ordered = np.sort(np.asarray(lengths))
    residues = np.cumsum(ordered)
    return [int(ordered[np.searchsorted(residues, part * residues[-1])]) for part in _QUANTILES]


def _timed(backbone: Backbone, length: int, budget: int) -> tuple[Work, float]:
    """Return the work and the median seconds of a batch of units of a length, as large as is quick."""
    tokens = min(_FEWEST_TOKENS, budget)
    while True:
        units: list[Unit] = [("A" * length,)] * max(1, tokens // length)
        _run(backbone, units)  # At first what is made once for a shape, such as compiled products.
        work, seconds = _run(backbone, units)
        if tokens >= budget or seconds >= _ENOUGH:
            break
        tokens = min(2 * tokens, budget)
    runs = [seconds]
    while sum(runs) < _SECONDS:
        runs.append(_run(backbone, units)[1])
    return work, float(np.median(runs))


@torch.inference_mode()
def _run(backbone: Backbone, units: list[Unit]) -> tuple[Work, float]:
    """Return the work and the seconds of the first block, or of a table that is looked up."""
    device = next(iter([*backbone.parameters(), *backbone.buffers()])).device
    if not isinstance(backbone, PackedEncoder):
        started = _now(device)
        rows = backbone.embed(units)
        return look_up_work(backbone, len(rows)), _now(device) - started
    tokens = backbone.vocabulary.encode(units)
    states = backbone.states(torch.from_numpy(tokens.ids).to(device), Pack(tokens.lengths, device))
    next(states)
    started = _now(device)
    next(states)
    return block_work(backbone, backbone.blocks[0], tokens.lengths, 1), _now(device) - started


def _now(device: torch.device) -> float:
    """Return the time once a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
