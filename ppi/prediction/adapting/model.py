"""A model that was adapted to measured variants of one complex, or of a few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ppi.complexes import Complex
from ppi.errors import InputError
from ppi.io.inputs import Inputs
from ppi.io.tables import ComplexTable
from ppi.prediction.adapting.adapted import AdaptedComplex
from ppi.prediction.adapting.reading import read_variants
from ppi.prediction.adapting.validation import Validation
from ppi.prediction.scanning.labels import named_table


@dataclass(frozen=True)
class AdaptedModel:
    """Adapted models by target.

    Attributes
    ----------
    targets
        By name; of a single complex, the name is empty.
    validations
        How well each ranks, by name.
    base
        ``name`` and ``weights_sha256`` of the model of mutation effects that they start from.
    name
        Goes into the column ``model``.
    """

    targets: Mapping[str, AdaptedComplex]
    validations: Mapping[str, Validation]
    base: Mapping[str, str]
    name: str = "adapted"

    def surrogate(self, target: str | None = None) -> AdaptedComplex:
        """Return the model of one target.

        Raises
        ------
        InputError
            If there is none of this name, or several and none is named.
        """
        if target is None and len(self.targets) == 1:
            return next(iter(self.targets.values()))
        if target is None or target not in self.targets:
            raise InputError(f"there is no target {target!r}; name one of {', '.join(self.targets)}")
        return self.targets[target]

    def predict(self, variants: Inputs) -> pd.DataFrame:
        """Predict and rank variants.

        Parameters
        ----------
        variants
            As `ppi.io.inputs.read_inputs` takes them; a table may name them in a column ``mutant`` instead.
            Where there are several targets, a column ``target`` says which is meant; without one the target
            is the only one of which it is a variant.

        Returns
        -------
        DataFrame
            One row a variant, in input order; see `AdaptedComplex.table`. With several targets the column
            ``target`` follows the id, and ranks are those within it.

        Raises
        ------
        InputError
            If a variant cannot be read or belongs to no target.
        """
        table = read_variants(variants, self._wild())
        names = self._names(table)
        parts = []
        for name, model in self.targets.items():
            rows = np.flatnonzero(names == name)
            if len(rows):
                found = model.table([table.complexes[row] for row in rows])
                parts.append(found.set_index(rows))
        result = pd.concat(parts).sort_index()
        if len(self.targets) > 1:
            result.insert(1, "target", names)
        return result.assign(model=self.name)

    def _wild(self) -> ComplexTable | None:
        """Return the wild type where there is only one."""
        if len(self.targets) > 1:
            return None
        only = self.surrogate()
        return named_table(only.wild, only.chain_names)

    def _names(self, table: ComplexTable) -> np.ndarray:
        """Return the target of each row."""
        if len(self.targets) == 1:
            return np.array([next(iter(self.targets))] * len(table), dtype=object)
        if "target" not in table.columns:
            return np.array([self._fitting(item) for item in table.complexes], dtype=object)
        names = table.columns["target"].astype(str).to_numpy(dtype=object)
        unknown = sorted(set(names) - set(self.targets))
        if unknown:
            raise InputError(f"the target {unknown[0]!r} is unknown; there are {', '.join(self.targets)}")
        return names

    def _fitting(self, item: Complex) -> str:
        fitting = [name for name, model in self.targets.items() if _fits(item, model)]
        if len(fitting) == 1:
            return fitting[0]
        found = f"fits {' and '.join(fitting)}" if fitting else "is a variant of none of the targets"
        raise InputError(
            f"complex {item.id!r} {found}; name the target of each row in a column 'target': "
            f"{', '.join(self.targets)}"
        )


def _fits(item: Complex, model: AdaptedComplex) -> bool:
    try:
        model.placed([item])
    except InputError:
        return False
    return True
