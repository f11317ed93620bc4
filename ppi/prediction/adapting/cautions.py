"""What speaks against a ranking by so few, or such, measurements."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping

import numpy as np

from ppi.errors import PpiWarning
from ppi.prediction.adapting.adapted import AdaptedComplex
from ppi.prediction.adapting.validation import Validation

#: Fewest variants that change the ranking of the base model noticeably.
FEWEST = 8
#: A Spearman correlation under this is no ranking.
_LEAST = 0.2


def warn_of_cautions(
    targets: Mapping[str, AdaptedComplex], validations: Mapping[str, Validation], *, stacklevel: int = 2
) -> None:
    """Warn of what a user should know before trusting the rankings of some targets.

    Parameters
    ----------
    targets, validations
        The models and their scores, by name; of a single complex, the name is empty.
    stacklevel
        That of `warnings.warn` for the caller.

    Warns
    -----
    PpiWarning
        A warning for each caution.
    """
    for name, each in targets.items():
        for text in cautions(each, validations[name]):
            warnings.warn(f"target {name}: {text}" if name else text, PpiWarning, stacklevel=stacklevel + 1)


def cautions(model: AdaptedComplex, scores: Validation) -> Iterator[str]:
    """Yield what a user should know before trusting a ranking."""
    if scores.variants < FEWEST:
        yield (
            f"only {scores.variants} variants have a measured value: the ranking is little more than that of "
            f"the base model; {FEWEST} to 24 change it"
        )
    if scores.positions == 1:
        yield (
            "all variants change one position: variants at other positions are ranked by the base model, and "
            "intervals at them are a guess"
        )
    exact = model.observed.value[model.observed.side == 0]
    if np.ptp(exact) < 2 * model.noise:
        yield (
            f"the measured values span {np.ptp(exact):.3g} {model.column}, less than twice the noise of one "
            f"measurement ({model.noise:.2g}): what differs may be noise"
        )
    if scores.variants >= FEWEST and scores.left_out[0].spearman < _LEAST:
        yield (
            f"variants left out are ranked with a Spearman correlation of "
            f"{scores.left_out[0].spearman:.2f}: these measurements do not support a ranking"
        )
