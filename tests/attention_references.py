"""What each attention computes, written out for one segment with dense matrices in float64."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product
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


def gated(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return softmax(attention, query, key, value) * (query @ attention.projection).sigmoid()


def moh(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    mixed = softmax(attention, query, key, value)
    heads, shared = len(query), attention.shared
    found = torch.zeros_like(mixed)
    for row in range(query.shape[1]):
        vector = query[:, row].flatten()
        logits = attention.router.weight @ vector
        own, routed = logits[:shared].softmax(0) * shared, logits[shared:].softmax(0) * (heads - shared)
        first, second = 2 * (attention.stages.weight @ vector).softmax(0) if shared else (1, 1)
        taken = set((routed.argsort(descending=True)[: attention.top_k] + shared).tolist())
        for head in range(heads):
            if head < shared:
                found[head, row] = mixed[head, row] * own[head] * first
            elif head in taken:
                found[head, row] = mixed[head, row] * routed[head - shared] * second
    return found


def recalibrated(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    weights, length = scores(query, key).softmax(2), value.shape[1]
    changed = weights.clone()
    sides = torch.tensor([side for side, rows in chains_of(length) for _ in range(rows)])
    for head, row in product(range(len(query)), range(length)):
        sinks = weights[head].mean(0) > attention.threshold / length
        crossing = (weights[head] * ((sides.unsqueeze(1) != sides) & ~sinks)).sum() / length
        if attention.crossing is not None and crossing <= attention.crossing:
            continue
        if sinks.any() and not sinks.all():
            mine = weights[head, row]
            raised = mine * (1 + attention.share * mine[sinks].sum() / mine[~sinks].sum())
            changed[head, row] = torch.where(sinks, mine * (1 - attention.share), raised)
    return changed @ value


def means(rows: Tensor, size: int) -> list[Tensor]:
    """Return the ``(H, d)`` mean of each block of ``(H, n, d)``."""
    return [block.mean(1) for block in rows.split(size, dim=1)]


def block_sparse(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    size, heads, width = attention.block, len(query), query.shape[2]
    found = torch.empty_like(value)
    of_queries, of_keys = means(query, size), means(key, size)
    blocks = [range(start, min(start + size, key.shape[1])) for start in range(0, key.shape[1], size)]
    for head in range(heads):
        for number, rows in enumerate(blocks):
            others = [b for b in range(len(blocks)) if b != number]
            others.sort(key=lambda b: -float((of_queries[number][head] @ of_keys[b][head]).detach()))
            chosen = [number, *others[: attention.top_k - 1]]
            keys = [key[head, blocks[b]] for b in chosen]
            values, counts = [value[head, blocks[b]] for b in chosen], [1.0] * sum(map(len, keys))
            for b in others[attention.top_k - 1 :] if attention.rectified else []:
                true = ((of_queries[number][head] @ key[head, blocks[b]].T) / width**0.5).exp().sum()
                pooled = len(blocks[b]) * ((of_queries[number][head] @ of_keys[b][head]) / width**0.5).exp()
                if pooled > true - pooled:
                    keys.append(of_keys[b][head, None])
                    values.append(value[head, blocks[b]].mean(0, keepdim=True))
                    counts.append(len(blocks[b]))
            weights = (query[head, rows] @ torch.cat(keys).T / width**0.5).exp() * torch.tensor(counts)
            found[head, rows] = weights / weights.sum(1, keepdim=True) @ torch.cat(values)
    return found


def masked(allowed: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return scores(query, key).masked_fill(~allowed, -torch.inf).softmax(2) @ value


def covered(masses: Tensor, gamma: float, least: int, most: int) -> set[int]:
    """Return the largest masses that reach gamma together; at least `least`, at most `most`."""
    taken: set[int] = set()
    for number in masses.argsort(descending=True).tolist():
        if len(taken) >= least and (len(taken) >= most or float(masses[list(taken)].sum()) >= gamma):
            break
        taken.add(number)
    return taken


def flex(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    size, length = attention.block, value.shape[1]
    count = -(-length // size)
    samples = [
        int(row) for row in torch.linspace(0, length - 1, min(64, length), dtype=torch.float64).round()
    ]
    allowed = torch.zeros(len(query), length, length, dtype=torch.bool)
    of_block = torch.arange(length) // size
    keys, queries = torch.stack(means(key, size), 1), torch.stack(means(query, size), 1)
    for head in range(len(query)):
        exact = (query[head, samples] @ key[head].T / query.shape[2] ** 0.5).softmax(1)
        rows = torch.stack([exact[:, of_block == block].sum(1) for block in range(count)], dim=1)
        true = rows.mean(0)
        pooled = (query[head, samples].mean(0) @ keys[head].T / query.shape[2] ** 0.5).softmax(0)
        middle = (true + pooled) / 2
        divergence = ((true * (true / middle).log()).sum() + (pooled * (pooled / middle).log()).sum()) / 2
        if divergence.sqrt() < attention.divergence:
            estimated = (queries[head] @ keys[head].T / query.shape[2] ** 0.5).softmax(1)
            taken = {
                (a, b)
                for a in range(count)
                for b in covered(estimated[a], attention.gamma, attention.least, attention.most)
            }
        else:
            diagonals = torch.zeros(2 * count - 1, dtype=query.dtype)
            for sample, row in zip(samples, rows, strict=True):
                for block in range(count):
                    diagonals[block - sample // size + count - 1] += row[block] / len(samples)
            limits = attention.gamma, attention.least // 2, attention.most // 2
            vertical = covered(true, *limits)
            slashes = covered(diagonals, *limits)
            taken = {
                (a, b)
                for a, b in product(range(count), range(count))
                if b in vertical or b - a + count - 1 in slashes
            }
        for a, b in taken | {(a, a) for a in range(count)}:
            allowed[head] |= (of_block == a).unsqueeze(1) & (of_block == b)
    return masked(allowed, query, key, value)


def hierarchical(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    length, size = value.shape[1], attention.chunk
    joined = key.transpose(0, 1).flatten(1)
    norms = joined.norm(dim=1).clamp(min=1e-8)
    unlike = [1.0] + [
        1 - float(joined[row - 1] @ joined[row] / norms[row - 1] / norms[row]) for row in range(1, length)
    ]
    starts = [0]
    while length - size * (len(starts) - 1) > 3 * size // 4:
        first = size * (len(starts) - 1) + size // 4
        starts.append(max(range(first, first + size // 2), key=unlike.__getitem__))
    ends = [*starts[1:], length]
    spans = list(zip(starts, ends, strict=True))
    allowed = torch.zeros(len(query), length, length, dtype=torch.bool)
    for head in range(len(query)):
        queries, keys = (
            torch.stack([part[head, a:b].mean(0) * (b - a) ** 0.5 for a, b in spans]) for part in (query, key)
        )
        for number, (a, b) in enumerate(spans):
            others = (queries[number] @ keys.T).argsort(descending=True).tolist()
            others.remove(number)
            for other in [number, *others[: attention.top_k - 1]]:
                allowed[head, a:b, slice(*spans[other])] = True
    return masked(allowed, query, key, value)


def native_sparse(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    size, heads, length = attention.block, *query.shape[:2]
    starts = range(0, length, size)
    compressed = []
    for part in (key, value):
        blocks = [part[:, start : start + size] for start in starts]
        shares = [attention.compression[:, : block.shape[1]].softmax(1) for block in blocks]
        compressed.append(
            torch.stack(
                [(share.unsqueeze(2) * block).sum(1) for share, block in zip(shares, blocks, strict=True)], 1
            )
        )
    importance = scores(query, compressed[0]).softmax(2)
    by_block = importance @ compressed[1]
    of_block = torch.arange(length) // size
    allowed = torch.zeros(heads, length, length, dtype=torch.bool)
    for head, block in product(range(heads), range(len(starts))):
        others = importance[head, of_block == block].mean(0).argsort(descending=True).tolist()
        others.remove(block)
        for other in [block, *others[: attention.top_k - 1]]:
            allowed[head] |= (of_block == block).unsqueeze(1) & (of_block == other)
    selected = masked(allowed, query, key, value)
    near = masked(distances(length).abs() <= attention.window, query, key, value)
    gates = (query @ attention.gates + attention.gate_bias.unsqueeze(1)).sigmoid()
    return gates[..., :1] * by_block + gates[..., 1:2] * selected + gates[..., 2:] * near


def isolated(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The chains of a segment are those that `chains_of` gives to its length."""
    chains = chains_of(value.shape[1])
    chain = torch.tensor([number for number, (_, rows) in enumerate(chains) for _ in range(rows)])
    sides = torch.tensor([side for side, _ in chains])[chain]
    allowed = (chain.unsqueeze(1) == chain) | (sides.unsqueeze(1) != sides)
    return masked(allowed, query, key, value)


def chains_of(length: int) -> tuple[tuple[int, int], ...]:
    """Return the chains that the tests give to a segment of this length: up to two on each side."""
    cuts = [0, length // 3, length // 2, 3 * length // 4, length]
    rows = [(number // 2, end - start) for number, (start, end) in enumerate(pairwise(cuts))]
    return tuple(each for each in rows if each[1])


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
    "gated": gated,
    "moh": moh,
    "recalibrated": recalibrated,
    "isolated": isolated,
    "block-sparse": block_sparse,
    "flex": flex,
    "hierarchical": hierarchical,
    "native-sparse": native_sparse,
}
