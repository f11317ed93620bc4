"""Means of the measures over units, so that no weights are kept."""

from __future__ import annotations

from collections import defaultdict

import pandas as pd
import torch

from ppi.explain.attention.measures import MEASURES, uniform
from ppi.explain.attention.secondary import LayerStatistics
from ppi.explain.attention.view import LayerView, Place


class _Mean:
    """The mean over units of ``(H,)`` values, without those that are NaN."""

    def __init__(self) -> None:
        self._total: torch.Tensor | float = 0.0
        self._count: torch.Tensor | float = 0.0

    def add(self, values: torch.Tensor) -> None:
        values = values.double().cpu()
        self._total = self._total + values.nan_to_num(0.0)
        self._count = self._count + (~values.isnan()).double()

    @property
    def values(self) -> list[float]:
        return torch.as_tensor(self._total / self._count).tolist()  # 0 / 0 is NaN


class Collector:
    """Applies all measures to the views of units.

    Parameters
    ----------
    epsilon
        Threshold of sinks.
    """

    def __init__(self, epsilon: float) -> None:
        self.epsilon, self.layers = epsilon, LayerStatistics(epsilon)
        self._heads: defaultdict[tuple[Place, str], _Mean] = defaultdict(_Mean)
        self._references: defaultdict[str, _Mean] = defaultdict(_Mean)

    def see(self, view: LayerView) -> None:
        """Take over one layer and unit."""
        self.layers.see(view)
        for name, measure in MEASURES.items():
            self._heads[view.place, name].add(measure.of(view, self.epsilon))
        if view.place.layer == 0 and view.place.member == 1:
            even = uniform(view)
            for name, measure in MEASURES.items():
                if measure.of_weights:
                    self._references[name].add(measure.of(even, self.epsilon))

    def head_table(self) -> pd.DataFrame:
        """Return one row per head: ``member, part, layer, head``, and a column per measure."""
        columns: defaultdict[Place, dict[str, list[float]]] = defaultdict(dict)
        for (place, name), mean in self._heads.items():
            columns[place][name] = mean.values
        rows = [
            {**place._asdict(), "head": head, **{name: values[head] for name, values in found.items()}}
            for place, found in sorted(columns.items())
            for head in range(len(next(iter(found.values()))))
        ]
        return pd.DataFrame(rows)

    def references(self) -> dict[str, float]:
        """Return what each measure is for uniform attention over the same units; NaN where it has no
        value.
        """
        return {name: mean.values[0] for name, mean in self._references.items()}
