"""A list of the mixers and attentions that there are to choose from."""

from __future__ import annotations

from heads.about import About
from heads.names import ATTENTIONS, MIXERS, PartTable

_UNKNOWN = About("", "?", "Its class does not say.")


def describe_mixers() -> str:
    """Return text that lists the mixers and the attentions of the mixer ``attention``."""
    return (
        "Mixers (--mixer NAME): name, growth of time with n residues, purpose, source\n\n"
        + _listed(MIXERS)
        + "\nAttentions (--mixer attention --mixer-options.attention NAME)\n\n"
        + _listed(ATTENTIONS)
    )


def _listed(table: PartTable) -> str:
    abouts = {name: getattr(table.find(name), "about", None) or _UNKNOWN for name in table}
    names, costs = max(map(len, abouts)) + 2, max(len(about.cost) for about in abouts.values()) + 2
    lines = []
    for name, about in abouts.items():
        source = f" [{about.source}]" if about.source else ""
        lines.append(f"{name:<{names}}{about.cost:<{costs}}{about.purpose}{source}\n")
    return "".join(lines)
