"""Windows for the heads of a trained dense attention: what each costs, and the plan that costs least.

The procedure of MoA (Fu et al. 2024, "MoA: Mixture of Sparse Attention for Automatic Large Language Model
Compression"): the influence of each window of each head on the loss is measured, and heads get windows
``start + growth n`` of their own, so that the loss stays and most of the attention is saved.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

from data_curation.files import atomic_file
from heads.mixers.attention.spans import SpansAttention
from heads.mixers.block import AttentionBlock
from ppi.complexes import Complex
from ppi.embedding.units import encode_complexes, unit_length
from ppi.errors import InputError
from ppi.explain.attention.mixers import attention_blocks
from ppi.models.affinity import AffinityModel
from ppi.prediction.engine import predict_with
from ppi.prediction.predictor import Predictor
from ppi.progress import progress_bar

#: Candidate windows: residues on each side, and residues on each side per residue of the segment.
STARTS, GROWTHS = (8, 32, 128), (0.0, 1 / 16, 1 / 4)
_STEPS = 60


class Window(NamedTuple):
    """A window of ``start + growth n`` residues on each side, in a segment of ``n``."""

    start: int
    growth: float


#: The window that every segment fits in.
EVERYTHING = Window(1, 1.0)


@dataclass(frozen=True)
class SpansPlan:
    """The windows of the heads of a mixer, and how they were found.

    Attributes
    ----------
    windows
        Window of each head.
    profile
        One row per head and window: ``head`` (from 0), ``start, growth``, ``density`` (share of the pairs of
        residues that the window keeps) and ``loss_change`` (of the mean squared error in pKd², if only this
        head has the window).
    density
        Mean share of the pairs of residues that the plan keeps.
    loss, planned_loss
        Mean squared error with full attention, and with all windows of the plan.
    mixer_options
        Options of a mixer that has the plan.
    """

    windows: tuple[Window, ...]
    profile: pd.DataFrame
    density: float
    loss: float
    planned_loss: float
    mixer_options: dict[str, Any]

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the settings of a mixer with the plan, for ``ppi train --config``."""
        settings = {"mixer": "attention", "mixer_options": self.mixer_options}
        with atomic_file(Path(path)) as temporary:
            temporary.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")

    def text(self) -> str:
        """Return the plan as lines of text."""
        heads = enumerate(self.windows)
        lines = [
            f"head {head}: {window.start} + {window.growth:g} n residues on each side"
            if window != EVERYTHING
            else f"head {head}: everything"
            for head, window in heads
        ]
        return "\n".join(
            [
                *lines,
                f"pairs of residues that are kept: {self.density:.0%}",
                f"mean squared error: {self.loss:.3f} with full attention, "
                f"{self.planned_loss:.3f} with the plan",
                "",
            ]
        )


def plan_spans(predictor: Predictor, complexes: Sequence[Complex], *, tolerance: float = 0.01) -> SpansPlan:
    """Choose the window of each head of a trained softmax mixer.

    Heads with the same number in all blocks, mixers and members share a window, as the options of a mixer do.

    Parameters
    ----------
    predictor
        With a model that was trained with ``--mixer attention`` and softmax attention.
    complexes
        With pKd, which the model was not trained on, so that the loss means something.
    tolerance
        Largest sum of the heads' increases of the mean squared error, as a share of it.

    Raises
    ------
    InputError
        If the mixer has another attention, a complex has no pKd, or `tolerance` is not a positive number.
    """
    if not 0 < tolerance < np.inf:
        raise InputError(f"tolerance is {tolerance:g}; give a share of the loss above 0, such as 0.01")
    model, lengths = predictor.model, _lengths(predictor.model, complexes)
    blocks = _softmax_blocks(model)
    heads = blocks[0].attention.heads
    measured = _measured(complexes)

    def loss_with(windows: Mapping[int, Window]) -> float:
        with _windows(blocks, windows):
            predicted = predict_with(model, complexes, predictor.cache).pkd
        return float(np.mean((predicted - measured) ** 2))

    loss = loss_with({})
    candidates = [Window(*pair) for pair in itertools.product(STARTS, GROWTHS)]
    rows = []
    with progress_bar("limiting heads", heads * len(candidates), "windows") as advance:
        for head, window in itertools.product(range(heads), candidates):
            change = loss_with({head: window}) - loss
            rows.append((head, *window, _density(window, lengths), change))
            advance(1)
    profile = pd.DataFrame(rows, columns=["head", "start", "growth", "density", "loss_change"])
    windows = choose_windows(profile, heads, tolerance * loss)
    return SpansPlan(
        windows,
        profile,
        float(np.mean([_density(window, lengths) for window in windows])),
        loss,
        loss_with(dict(enumerate(windows))),
        _options(model, windows),
    )


def choose_windows(profile: pd.DataFrame, heads: int, budget: float) -> tuple[Window, ...]:
    """Return one window a head: the fewest pairs of residues whose increases of the loss fit the budget.

    For a price of loss each head takes the window with the lowest sum of density and priced increase; the
    lowest price that fits the budget is searched. A decrease counts as no change.

    Parameters
    ----------
    profile
        See `SpansPlan`.
    heads
        Number of heads.
    budget
        Largest sum of increases.
    """
    options: list[list[tuple[Window, float, float]]] = [[(EVERYTHING, 1.0, 0.0)] for _ in range(heads)]
    for row in profile.to_dict("records"):
        window = Window(int(row["start"]), float(row["growth"]))
        options[int(row["head"])].append((window, row["density"], max(0.0, row["loss_change"])))

    def at(price: float) -> list[tuple[Window, float, float]]:
        return [min(of_head, key=lambda each: each[1] + price * each[2]) for of_head in options]

    lower, upper = 0.0, 1e12
    for _ in range(_STEPS):
        price = (lower * upper) ** 0.5 if lower else upper * 1e-3
        fits = sum(each[2] for each in at(price)) <= budget
        lower, upper = (lower, price) if fits else (price, upper)
    return tuple(window for window, _, _ in at(upper))


def _softmax_blocks(model: AffinityModel) -> list[AttentionBlock]:
    blocks = list(attention_blocks(model).values())
    options = model.config.mixer_options
    name = options.get("attention", "softmax")
    if name != "softmax" or options.get("standard_layers"):
        other = f"the attention {name!r}" if name != "softmax" else "standard_layers"
        raise InputError(
            f"the mixer of the model has {other}; windows are planned for a model that was trained with "
            "--mixer attention and softmax in all blocks"
        )
    return blocks


def _measured(complexes: Sequence[Complex]) -> np.ndarray:
    without = [item.id for item in complexes if item.pkd is None]
    if without:
        raise InputError(
            f"complex {without[0]!r} has no pKd ({len(without)} of {len(complexes)}); a plan needs measured "
            "complexes, because it follows the error of the predictions"
        )
    return np.array([item.pkd for item in complexes], dtype=np.float64)


def _lengths(model: AffinityModel, complexes: Sequence[Complex]) -> list[int]:
    encoded, _ = encode_complexes(
        complexes, model.encoding_unit, model.backbone.max_residues, both_orders=model.both_orders
    )
    return [unit_length(unit) for item in encoded for unit in item.units]


def _density(window: Window, lengths: Sequence[int]) -> float:
    """Return the share of all pairs of residues of segments that lie within the window."""
    n = np.array(lengths, dtype=np.float64)
    reach = np.minimum(window.start + np.floor(window.growth * n), n - 1)
    kept = n * (2 * reach + 1) - reach * (reach + 1)
    return float(kept.sum() / (n**2).sum())


@contextmanager
def _windows(blocks: Sequence[AttentionBlock], windows: Mapping[int, Window]) -> Iterator[None]:
    """Limit heads of all blocks to windows; the other heads see everything."""
    dense = [block.attention for block in blocks]
    for block in blocks if windows else ():
        old = block.attention
        chosen = [windows.get(head, EVERYTHING) for head in range(old.heads)]
        starts, growths = zip(*chosen, strict=True)
        block.attention = SpansAttention(old.heads, old.width, starts, growths)
    try:
        yield
    finally:
        for block, attention in zip(blocks, dense, strict=True):
            block.attention = attention


def _options(model: AffinityModel, windows: Sequence[Window]) -> dict[str, Any]:
    kept = {name: value for name, value in model.config.mixer_options.items() if name != "attention_options"}
    starts, growths = [window.start for window in windows], [window.growth for window in windows]
    return {**kept, "attention": "spans", "attention_options": {"starts": starts, "growths": growths}}
