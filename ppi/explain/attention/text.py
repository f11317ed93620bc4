"""A diagnosis in words."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from ppi.explain.attention.result import AttentionDiagnosis
from ppi.explain.attention.secondary import MASSIVE
from ppi.explain.attention.view import KINDS

LIMITS = (
    "These figures say where attention goes and what changes without a head. Attention is not an "
    "explanation of a "
    "prediction, and a head without effect alone may matter together with others."
)
_TOP = 5
#: What stands out: a head with a sink in this fraction of the units, or one that attends elsewhere this many
#: times as much as uniform attention.
_OFTEN, _TIMES = 0.5, 2
#: Measures of attention to elsewhere, and where that is.
_ELSEWHERE = (("across_chains", "another chain"), ("across_sides", "the other side"))


def summary_text(found: AttentionDiagnosis) -> str:
    """Return a summary for a terminal."""
    return "\n".join(summary_lines(found)) + "\n"


def summary_lines(found: AttentionDiagnosis) -> Iterator[str]:
    """Yield the sentences of the summary."""
    yield (
        f"{found.source}: {len(found.heads)} heads in {len(found.layers)} layers, over {found.units} "
        f"units (each a {found.encoding_unit}) of {found.complexes} complexes."
    )
    yield outstanding(found)
    yield from _sinks(found)
    yield from _reach(found)
    yield from _importance(found)
    yield from _overlap(found)


def _head_name(row: Mapping[Hashable, Any], table: pd.DataFrame) -> str:
    """Return the name of a head; its member and part only where there are several."""
    more = [f"member {row['member']}"] if table["member"].nunique() > 1 else []
    more += [str(row["part"])] if table["part"].nunique() > 1 else []
    return " ".join([*more, f"layer {row['layer']}", f"head {row['head']}"])


def outstanding(found: AttentionDiagnosis) -> str:
    """Return what to look for, and whether anything stands out."""
    heads, seen, known = found.heads, list[str](), list[str]()
    if heads["sink_rate"].notna().any():
        known.append("rows that take most of the attention (sinks)")
    if sinks := int((heads["sink_rate"] >= _OFTEN).sum()):
        seen.append(f"{sinks} of {len(heads)} heads have a sink")
    for name, other in _ELSEWHERE:
        even = found.references[name]
        if not (isfinite(even) and even > 0):
            continue
        known.append(f"heads that attend to {other} {_TIMES} times as much as uniform attention")
        if heads[name].max() >= _TIMES * even:
            (top,) = heads.nlargest(1, name).to_dict("records")
            times = f"{top[name] / even:.1f} times as much as uniform attention"
            seen.append(f"{_head_name(top, heads)} attends to {other} {times}")
    known.append(f"massive activations (over {MASSIVE:g} medians)")
    if (largest := found.layers["largest_activation"].max()) > MASSIVE:
        seen.append(f"there are massive activations ({largest:.0f} medians)")
    return f"Look for {'; '.join(known)}. Here {', and '.join(seen) if seen else 'nothing stands out'}."


def _sinks(found: AttentionDiagnosis) -> Iterator[str]:
    heads, layers = found.heads, found.layers
    if heads["sink_rate"].isna().all():
        yield f"Sinks: every unit has {1 / found.epsilon:.1f} rows or fewer, too few to tell a sink."
        return
    often = heads[heads["sink_rate"] >= _OFTEN]
    kinds = {name: heads[f"sink_{name.replace(' ', '_')}"].mean() for name in KINDS}
    shown = ", ".join(f"{name} {value:.3f}" for name, value in kinds.items())
    yield (
        f"Sinks: {len(often)} heads have a row that receives more than {found.epsilon:g} of the "
        "attention in half of the units or more. The mean sink rate is "
        f"{heads['sink_rate'].mean():.3f} (by kind of row: {shown})."
    )
    yield (
        f"Secondary sinks: {layers['secondary_per_unit'].mean():.3f} per unit and layer"
        f"{_cosine(layers)}. Massive activations: the largest is "
        f"{layers['largest_activation'].max():.0f} medians."
    )


def _cosine(layers: pd.DataFrame) -> str:
    weights = layers["secondary_per_unit"] * layers["units"]
    if not weights.sum():
        return ""
    cosine = (layers["secondary_cosine"].fillna(0) * weights).sum() / weights.sum()
    return f"; the mean cosine of their hidden states with that of the strongest row is {cosine:.2f}"


def _reach(found: AttentionDiagnosis) -> Iterator[str]:
    heads, even = found.heads, found.references
    yield (
        f"Reach: attention within a chain spans {heads['distance'].mean():.1f} residues on average (heads: "
        f"{heads['distance'].min():.1f} to {heads['distance'].max():.1f}; uniform attention: "
        f"{even['distance']:.1f})."
    )
    for name, other in _ELSEWHERE:
        if isfinite(even[name]):
            (top,) = heads.nlargest(1, name).to_dict("records")
            yield (
                f"To {other} goes {heads[name].mean():.3f} of the attention between residues, most in "
                f"{_head_name(top, heads)} ({top[name]:.3f}); of uniform attention it would be "
                f"{even[name]:.3f}."
            )


def _importance(found: AttentionDiagnosis) -> Iterator[str]:
    if "importance" not in found.heads:
        yield f"Importance: not measured; {found.importance}."
        return
    heads = found.heads.sort_values("importance", ascending=False, kind="stable")
    shown = ", ".join(
        f"{_head_name(row, heads)} ({row['importance']:+.4f})" for row in heads.head(_TOP).to_dict("records")
    )
    known = found.baseline is not None and isfinite(found.baseline)
    start = f"; with all heads: {found.baseline:.4f}" if known else ""
    yield f"Importance ({found.importance}{start}). Largest: {shown}."
    linked = heads["importance"].corr(heads["heterogeneity"], method="spearman")
    if isfinite(linked):
        yield f"Spearman correlation of importance and heterogeneity over heads: {linked:.2f}."


def _overlap(found: AttentionDiagnosis) -> Iterator[str]:
    if found.overlap is None:
        return
    shared = found.overlap
    left = f" Fewer complexes, left out: {', '.join(shared.omitted)}." if shared.omitted else ""
    if len(shared.table) < 2:
        yield f"Overlap by {shared.column}: fewer than two classes have enough complexes.{left}"
        return
    values = shared.table.to_numpy()
    between, within = values[np.triu_indices(len(values), 1)].mean(), values.diagonal().mean()
    yield (
        f"Overlap of the {shared.heads} most important heads by {shared.column} (Jaccard index): "
        f"{between:.2f} between classes, {within:.2f} between random halves of a class, "
        f"{shared.chance:.2f} by chance.{left}"
    )
