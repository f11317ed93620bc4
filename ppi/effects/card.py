"""The model card of a model of mutation effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppi.effects.interval import EffectInterval


def model_card(
    manifest: Mapping[str, Any],
    interval: EffectInterval | None,
    structure_interval: EffectInterval | None,
) -> str:
    """Return the card, in Markdown, for a manifest with the key ``trained_on``."""
    trained = manifest["trained_on"]
    files = "\n".join(f"- `{name}` (SHA-256 `{digest}`)" for name, digest in trained["files"].items())
    return f"""# Mutation effects

Predicts ddG = dG(mutant) - dG(wild type) of binding in kcal/mol for point mutations of a protein complex,
from the sequences of its chains, and from its structure if it is given. Positive means weaker binding.

Networks predict for each residue whether it is at the interface with this partner, and how exposed it is.
They were trained on {trained["interfaces"]} complexes of known structure. Extremely randomised trees over
the exchange, its surroundings and the predicted location were trained on {trained["variants"]} measured
variants of {trained["structures"]} complexes; other trees, for a complex whose structure is given, over the
location in the structure.

Trained on:

{files}

The measured effects come from SKEMPI 2.0 (Jankauskaite et al., Bioinformatics 2019), which is free for
academic and commercial use with citation; the structures come from the Protein Data Bank (CC0).

{_interval_text(interval, structure_interval)}

Use it to rank mutations of one complex and to choose what to measure. Predictions are worse for complexes
unlike any of known structure, and say little of the size of an effect: predicted effects are drawn towards
the mean. A few measurements of the complex in question are worth more than this model.
"""


def _interval_text(interval: EffectInterval | None, structure_interval: EffectInterval | None) -> str:
    if interval is None or structure_interval is None:
        return "Its predictions come without an interval."
    return f"""The {interval.level:.0%} interval of ddG is calibrated on {interval.variants} variants of
{interval.structures} structures, each structure counted once. In kcal/mol, for one mutation and for several:

| location | complex | one mutation | several | inside, of structures left out |
| --- | --- | --- | --- | --- |
{_rows("predicted", interval)}
{_rows("in a structure", structure_interval)}

Most predicted effects are smaller than this."""


def _rows(location: str, interval: EffectInterval) -> str:
    known = (interval.single, interval.several, interval.coverage)
    new = (interval.new_single, interval.new_several, interval.new_coverage)
    return "\n".join(
        f"| {location} | {kind} | +- {single:.2f} | +- {several:.2f} | {inside:.1%} |"
        for kind, (single, several, inside) in (("resembles one of training", known), ("other", new))
    )
