"""How far attention reaches: along a chain, and from chain to chain."""

from __future__ import annotations

import torch
from torch import Tensor

from ppi.explain.attention.view import LayerView

#: Residues beyond which a distance counts as this one, in the windowed distance.
WINDOW = 10
#: Residues from which on a residue is distant.
DISTANT = 10


def distance(view: LayerView, window: int | None = None) -> Tensor:
    """Return ``(H,)``: the mean distance in residues that attention within a chain spans.

    ``sum_ij A_ij min(|i - j|, window) / sum_ij A_ij`` over all pairs of residues of one chain, so that
    attention to special tokens does not count. With a window it is the windowed average attention distance of
    "Attention Illuminates LLM Reasoning" (2025), in both directions. Without one, uniform attention gives
    ``(n^2 - 1) / (3 n)`` for one chain of ``n`` residues.
    """
    spans = _spans(view)
    weights = view.weights * _same_chain(view)
    limited = spans if window is None else spans.clamp(max=window)
    return (weights * limited).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))


def windowed_distance(view: LayerView) -> Tensor:
    """Return ``(H,)``: `distance` with the window `WINDOW`."""
    return distance(view, WINDOW)


def distant_share(view: LayerView) -> Tensor:
    """Return ``(H,)``: the share of the attention within chains that goes to residues at least `DISTANT`
    away.
    """
    weights = view.weights * _same_chain(view)
    return (weights * _distant(view)).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))


def distant_influence(view: LayerView) -> Tensor:
    """Return ``(H,)``: how much the most influential residue is attended from afar; 1 if attention is
    uniform.

    ``max_j n * mean_{i: |i - j| >= DISTANT} A_ij`` over the residues of the same chain: the future attention
    influence of "Attention Illuminates LLM Reasoning" (2025), in both directions, of the residue with the
    largest, times the ``n`` rows of the unit. Residues with fewer than `DISTANT` distant ones do not count;
    if there are no others, it is NaN.
    """
    distant = _distant(view)
    partners = distant.sum(dim=0)
    enough = partners >= DISTANT
    if not enough.any():
        return torch.full_like(view.weights[:, 0, 0], torch.nan)
    influence = (view.weights * distant).sum(dim=1)[:, enough] / partners[enough]
    return influence.amax(dim=1) * view.weights.shape[2]


def across(view: LayerView, labels: Tensor) -> Tensor:
    """Return ``(H,)``: the share of the attention between residues that goes from one label to another.

    ``sum_{ij: l_i != l_j} A_ij / sum_ij A_ij`` over pairs of residues, with the ``(n,)`` chains or sides as
    labels: what image-centric heads are in Kang et al. 2025 ("See What You Are Told: Visual Attention
    Sink"), between the partners of a complex. It is NaN for a unit with one label.
    """
    residues = labels >= 0
    if labels[residues].unique().numel() < 2:
        return torch.full_like(view.weights[:, 0, 0], torch.nan)
    weights = view.weights[:, residues][:, :, residues]
    own = labels[residues]
    return (weights * (own.unsqueeze(1) != own)).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))


def across_chains(view: LayerView) -> Tensor:
    """Return ``(H,)``: `across` for chains."""
    return across(view, view.rows.chain)


def across_sides(view: LayerView) -> Tensor:
    """Return ``(H,)``: `across` for ligand and receptor."""
    return across(view, view.rows.side)


def _same_chain(view: LayerView) -> Tensor:
    chain = view.rows.chain
    return (chain.unsqueeze(1) == chain) & (chain >= 0)


def _spans(view: LayerView) -> Tensor:
    at = torch.arange(len(view.rows.chain), device=view.weights.device)
    return (at.unsqueeze(1) - at).abs()


def _distant(view: LayerView) -> Tensor:
    return _same_chain(view) & (_spans(view) >= DISTANT)
