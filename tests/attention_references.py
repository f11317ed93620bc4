"""What each attention computes, written out for one segment with dense matrices in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import silu

#: Function from an attention and the ``(H, n, d)`` queries, keys and values of a segment to ``(H, n, d)``.
Reference = Callable[[Any, Tensor, Tensor, Tensor], Tensor]


def scores(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.transpose(1, 2) / query.shape[2] ** 0.5


def distances(length: int) -> Tensor:
    """Return ``(n, n)``: ``j - i``."""
    places = torch.arange(length)
    return places - places.unsqueeze(1)


def softmax(_: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return scores(query, key).softmax(2) @ value


def uniform(_: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return value.mean(1, keepdim=True).expand_as(value)


def static(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    offsets = distances(value.shape[1]).clamp(-attention.reach, attention.reach)
    return attention.scores[:, offsets + attention.reach].softmax(2) @ value


def relu(_: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return scores(query, key).clamp(min=0) @ value / value.shape[1]


def sigmoid(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    count = torch.tensor(float(value.shape[1]), dtype=value.dtype)
    return (scores(query, key) + attention.bias.view(-1, 1, 1) - count.log()).sigmoid() @ value


def linear(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    decayed = attention.decays.view(-1, 1, 1) ** distances(value.shape[1]).abs()
    mixed = (silu(query) @ silu(key).transpose(1, 2) * decayed) @ value
    return mixed / (mixed.square().mean(2, keepdim=True) + 1e-6).sqrt()


def flow(_: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    sinks, sources = query.sigmoid(), key.sigmoid()
    capacity = sinks @ sources.transpose(1, 2)  # From each source to each sink.
    incoming, outgoing = capacity.sum(2, keepdim=True), capacity.sum(1, keepdim=True)
    kept_by_sinks = (capacity / outgoing).sum(2, keepdim=True)
    kept_by_sources = (capacity / incoming).sum(1).unsqueeze(2)
    competition = kept_by_sources.softmax(1) * value.shape[1]
    return (capacity / incoming) @ (value * competition) * kept_by_sinks.sigmoid()


def local(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    window, length = attention.window, value.shape[1]
    by_offset = query @ attention.projection + attention.bias.unsqueeze(1)
    steps = distances(length)
    picked = by_offset.gather(2, (steps.clamp(-window, window) + window).expand(query.shape[0], -1, -1))
    return picked.masked_fill(steps.abs() > window, -torch.inf).softmax(2) @ value


def power(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    steps = distances(value.shape[1]).abs()
    seen = steps <= attention.window
    for exponent in range(20):
        seen |= steps == 2**exponent
    return scores(query, key).masked_fill(~seen, -torch.inf).softmax(2) @ value


def spans(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    length = value.shape[1]
    plan = zip(attention.starts, attention.growths, strict=True)
    windows = torch.tensor([start + int(growth * length) for start, growth in plan])
    far = distances(length).abs() > windows.view(-1, 1, 1)
    return scores(query, key).masked_fill(far, -torch.inf).softmax(2) @ value


REFERENCES: dict[str, Reference] = {
    "softmax": softmax,
    "uniform": uniform,
    "static": static,
    "random": static,
    "relu": relu,
    "sigmoid": sigmoid,
    "linear": linear,
    "flow": flow,
    "local": local,
    "power": power,
    "spans": spans,
}
