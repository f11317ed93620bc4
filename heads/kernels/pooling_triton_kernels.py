# mypy: ignore-errors
# ruff: noqa: N803
"""The Triton kernels of `heads.kernels.pooling_triton`, where their arguments are described.

Arguments in capitals are compile-time constants: ``WIDTH`` is D, ``HEADS`` is H; ``COLUMNS`` and
``HEAD_SLOTS`` are the powers of two that hold them; a program owns ``CHUNK`` rows and processes ``ROWS`` at a
time. ``source`` is the weight ``(H, D)`` if ``LINEAR``, else the scores ``(T, H)``.
"""

# Triton reads annotations when it compiles a kernel, so they must not be postponed to strings here.

import triton
import triton.language as tl


@triton.jit
def forward(
    values, source, offsets, chunk_offsets, chunk_segment, peaks, totals, sums, segments,
    WIDTH: tl.constexpr, HEADS: tl.constexpr, LINEAR: tl.constexpr, COLUMNS: tl.constexpr,
    HEAD_SLOTS: tl.constexpr, CHUNK: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    chunk = tl.program_id(0).to(tl.int64)
    segment = tl.load(chunk_segment + chunk)
    if segment < segments:
        start = tl.load(offsets + segment) + (chunk - tl.load(chunk_offsets + segment)) * CHUNK
        end = tl.minimum(start + CHUNK, tl.load(offsets + segment + 1))
        columns, slots = tl.arange(0, COLUMNS), tl.arange(0, HEAD_SLOTS)
        head_of = columns // (WIDTH // HEADS)
        peak = tl.full((HEAD_SLOTS,), float("-inf"), tl.float32)
        total = tl.zeros((HEAD_SLOTS,), tl.float32)
        summed = tl.zeros((COLUMNS,), tl.float32)
        for first in range(start, end, ROWS):
            rows = first + tl.arange(0, ROWS)
            inside = (rows < end)[:, None] & (columns < WIDTH)[None, :]
            tile = tl.load(values + rows[:, None] * WIDTH + columns[None, :], mask=inside, other=0.0)
            tile = tile.to(tl.float32)
            spread = tl.zeros((ROWS, COLUMNS), tl.float32)
            shrink = tl.zeros((COLUMNS,), tl.float32)
            for head in tl.static_range(HEADS):
                if LINEAR:
                    project = tl.load(source + head * WIDTH + columns, mask=columns < WIDTH, other=0.0)
                    score = tl.sum(tile * project.to(tl.float32)[None, :], 1)
                else:
                    score = tl.load(source + rows * HEADS + head, mask=rows < end, other=0.0).to(tl.float32)
                score = tl.where(rows < end, score, float("-inf"))
                old = tl.max(tl.where(slots == head, peak, float("-inf")), 0)
                new = tl.maximum(old, tl.max(score, 0))
                raised = tl.exp(score - new)
                factor = tl.exp(old - new)
                peak = tl.where(slots == head, new, peak)
                total = tl.where(slots == head, total * factor + tl.sum(raised, 0), total)
                spread = tl.where((head_of == head)[None, :], raised[:, None], spread)
                shrink = tl.where(head_of == head, factor, shrink)
            summed = summed * shrink + tl.sum(spread * tile, 0)
        tl.store(peaks + chunk * HEADS + slots, peak, mask=slots < HEADS)
        tl.store(totals + chunk * HEADS + slots, total, mask=slots < HEADS)
        tl.store(sums + chunk * WIDTH + columns, summed, mask=columns < WIDTH)


@triton.jit
def join(
    chunk_offsets, peaks, totals, sums, peak_of, total_of, pooled,
    WIDTH: tl.constexpr, HEADS: tl.constexpr, COLUMNS: tl.constexpr, HEAD_SLOTS: tl.constexpr,
):  # fmt: skip
    segment = tl.program_id(0).to(tl.int64)
    first, last = tl.load(chunk_offsets + segment), tl.load(chunk_offsets + segment + 1)
    columns, slots = tl.arange(0, COLUMNS), tl.arange(0, HEAD_SLOTS)
    head_of = columns // (WIDTH // HEADS)
    used, wanted = slots < HEADS, columns < WIDTH
    peak = tl.full((HEAD_SLOTS,), float("-inf"), tl.float32)
    for chunk in range(first, last):
        peak = tl.maximum(peak, tl.load(peaks + chunk * HEADS + slots, mask=used, other=0.0))
    tl.store(peak_of + segment * HEADS + slots, peak, mask=used)
    total = tl.zeros((HEAD_SLOTS,), tl.float32)
    total_by_column = tl.zeros((COLUMNS,), tl.float32)
    summed = tl.zeros((COLUMNS,), tl.float32)
    for chunk in range(first, last):
        factor = tl.exp(tl.load(peaks + chunk * HEADS + slots, mask=used, other=0.0) - peak)
        part = factor * tl.load(totals + chunk * HEADS + slots, mask=used, other=0.0)
        total += part
        spread = tl.zeros((COLUMNS,), tl.float32)
        for head in tl.static_range(HEADS):
            of_head = tl.sum(tl.where(slots == head, factor, 0.0), 0)
            spread = tl.where(head_of == head, of_head, spread)
            part_of_head = tl.sum(tl.where(slots == head, part, 0.0), 0)
            total_by_column += tl.where(head_of == head, part_of_head, 0.0)
        summed += spread * tl.load(sums + chunk * WIDTH + columns, mask=wanted, other=0.0)
    tl.store(total_of + segment * HEADS + slots, total, mask=used)
    pooled_row = summed / tl.where(wanted, total_by_column, 1.0)
    tl.store(pooled + segment * WIDTH + columns, pooled_row, mask=wanted)


@triton.jit
def backward(
    values, source, offsets, chunk_offsets, chunk_segment, peaks, totals, grads, shifts,
    grad_values, grad_source, segments,
    WIDTH: tl.constexpr, HEADS: tl.constexpr, LINEAR: tl.constexpr, COLUMNS: tl.constexpr,
    HEAD_SLOTS: tl.constexpr, CHUNK: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    chunk = tl.program_id(0).to(tl.int64)
    segment = tl.load(chunk_segment + chunk)
    columns, slots = tl.arange(0, COLUMNS), tl.arange(0, HEAD_SLOTS)
    wanted = columns < WIDTH
    # Rows of heads, so that an unused chunk writes zeros to its part of the weight's gradient.
    weight_sum = tl.zeros((HEAD_SLOTS, COLUMNS), tl.float32)
    if segment < segments:
        start = tl.load(offsets + segment) + (chunk - tl.load(chunk_offsets + segment)) * CHUNK
        end = tl.minimum(start + CHUNK, tl.load(offsets + segment + 1))
        head_of = columns // (WIDTH // HEADS)
        grad = tl.load(grads + segment * WIDTH + columns, mask=wanted, other=0.0)
        for first in range(start, end, ROWS):
            rows = first + tl.arange(0, ROWS)
            inside = (rows < end)[:, None] & wanted[None, :]
            places = rows[:, None] * WIDTH + columns[None, :]
            tile = tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
            along = tile * grad[None, :]
            out = tl.zeros((ROWS, COLUMNS), tl.float32)
            for head in tl.static_range(HEADS):
                peak = tl.load(peaks + segment * HEADS + head)
                total = tl.load(totals + segment * HEADS + head)
                shift = tl.load(shifts + segment * HEADS + head)
                mine = (head_of == head)[None, :]
                if LINEAR:
                    project = tl.load(source + head * WIDTH + columns, mask=wanted, other=0.0).to(tl.float32)
                    score = tl.sum(tile * project[None, :], 1)
                else:
                    score = tl.load(source + rows * HEADS + head, mask=rows < end, other=0.0).to(tl.float32)
                score = tl.where(rows < end, score, float("-inf"))
                weight = tl.exp(score - peak) / total
                change = weight * (tl.sum(tl.where(mine, along, 0.0), 1) - shift)
                out += tl.where(mine, weight[:, None] * grad[None, :], 0.0)
                if LINEAR:
                    out += change[:, None] * project[None, :]
                    part = tl.sum(change[:, None] * tile, 0)
                    weight_sum += tl.where((slots == head)[:, None], part[None, :], 0.0)
                else:
                    tl.store(grad_source + rows * HEADS + head, change, mask=rows < end)
            tl.store(grad_values + places, out.to(grad_values.dtype.element_ty), mask=inside)
    if LINEAR:
        at = (chunk * HEADS + slots[:, None]) * WIDTH + columns[None, :]
        tl.store(grad_source + at, weight_sum, mask=(slots < HEADS)[:, None] & wanted[None, :])
