"""Which part of an antibody chain may bind: the constant domains do not."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from Bio.Align import PairwiseAligner, substitution_matrices

from data_curation.splits.immunoglobulin import (
    MIN_CONSTANT_COVERAGE,
    MIN_CONSTANT_IDENTITY,
    MIN_VARIABLE_COVERAGE,
    MIN_VARIABLE_IDENTITY,
    reference_domains,
)


@lru_cache(maxsize=2**14)
def outside_constant_domains(chain: str) -> np.ndarray:
    """Return which of the ``L`` residues of a chain are outside of the constant domains of an antibody.

    All are if the chain has no variable domain of an antibody. The thresholds are those of
    `data_curation.splits.immunoglobulin`.
    """
    free = np.ones(len(chain), dtype=bool)
    domains = reference_domains()
    variable = (domain for name, domain in domains.items() if name.startswith("V|"))
    if any(_found(domain, chain, MIN_VARIABLE_IDENTITY, MIN_VARIABLE_COVERAGE) for domain in variable):
        constant = (domain for name, domain in domains.items() if name.startswith("C|"))
        for domain in constant:
            found = _found(domain, chain, MIN_CONSTANT_IDENTITY, MIN_CONSTANT_COVERAGE)
            free[found.start : found.stop] = False
    free.setflags(write=False)  # It is kept for later calls.
    return free


def _found(domain: str, chain: str, identity: float, coverage: float) -> range:
    """Return the part of a chain that is like a domain; an empty one if none is."""
    found = _aligner().align(domain, chain)
    if not len(found):
        return range(0)
    (of_domain, of_chain) = found[0].aligned
    same = sum(
        one == other
        for (start, end), (begin, stop) in zip(of_domain, of_chain, strict=True)
        for one, other in zip(domain[start:end], chain[begin:stop], strict=True)
    )
    aligned = int((of_domain[:, 1] - of_domain[:, 0]).sum())
    alike = same >= identity * aligned and of_domain[-1, 1] - of_domain[0, 0] >= coverage * len(domain)
    return range(of_chain[0, 0], of_chain[-1, 1]) if alike else range(0)


@cache
def _aligner() -> PairwiseAligner:
    return PairwiseAligner(
        mode="local",
        substitution_matrix=substitution_matrices.load("BLOSUM62"),
        open_gap_score=-11,
        extend_gap_score=-1,
    )
