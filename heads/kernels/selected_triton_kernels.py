# mypy: ignore-errors
# ruff: noqa: N803
"""The Triton kernels of `heads.kernels.selected_triton`, where their arguments are described.

Arguments in capitals are compile-time constants: ``WIDTH`` is d, ``HEADS`` is H; ``COLUMNS`` is the power of
two that holds d, and ``ROWS`` the one that holds a block; summaries are taken ``SUMMARIES`` at a time;
``SCALE`` multiplies products, and ``PRECISION`` is that of products.
"""

# Triton reads annotations when it compiles a kernel, so they must not be postponed to strings here.

import triton
import triton.language as tl


@triton.jit
def read(values, first, size, head, HEADS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr,
         ROWS: tl.constexpr):  # fmt: skip
    """Read ``size`` rows of a head from the row ``first`` on, as float32; zeros fill the tile."""
    rows, columns = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    inside = (rows < size)[:, None] & (columns < WIDTH)[None, :]
    at = ((first + rows) * HEADS + head)[:, None] * WIDTH + columns[None, :]
    return tl.load(values + at, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def write(values, tile, first, size, head, HEADS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr,
          ROWS: tl.constexpr):  # fmt: skip
    """Write the first ``size`` rows of a tile to where `read` reads them."""
    rows, columns = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    inside = (rows < size)[:, None] & (columns < WIDTH)[None, :]
    at = ((first + rows) * HEADS + head)[:, None] * WIDTH + columns[None, :]
    tl.store(values + at, tile.to(values.dtype.element_ty), mask=inside)


@triton.jit
def read_numbers(numbers, first, size, head, HEADS: tl.constexpr, ROWS: tl.constexpr):
    """Read one number of a head for each of ``size`` rows."""
    rows = tl.arange(0, ROWS)
    return tl.load(numbers + (first + rows) * HEADS + head, mask=rows < size, other=0.0)


@triton.jit
def fold(scores, values, peak, total, summed, PRECISION: tl.constexpr):
    """Add more scores and values to the running maximum, sum and weighted sum of a softmax."""
    higher = tl.maximum(peak, tl.max(scores, 1))
    raised, factor = tl.exp(scores - higher[:, None]), tl.exp(peak - higher)
    summed = summed * factor[:, None] + tl.dot(raised, values, input_precision=PRECISION)
    return higher, total * factor + tl.sum(raised, 1), summed


@triton.jit
def forward(
    query, key, value, starts, sizes, order, counts, mean_keys, mean_values, summarised,
    mixed, logarithms, blocks,
    SUMMARISED: tl.constexpr, SUMMARIES: tl.constexpr, SCALE: tl.constexpr, PRECISION: tl.constexpr,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the softmax attention of a block of queries, and the logarithms of its denominators."""
    block, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    first, size = tl.load(starts + block), tl.load(sizes + block)
    listed, rows = (block * HEADS + head) * blocks, tl.arange(0, ROWS)
    queries = read(query, first, size, head, HEADS, WIDTH, COLUMNS, ROWS) * SCALE
    peak = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    summed = tl.zeros((ROWS, COLUMNS), tl.float32)
    for number in range(tl.load(counts + block * HEADS + head)):
        other = tl.load(order + listed + number)
        begin, length = tl.load(starts + other), tl.load(sizes + other)
        keys = read(key, begin, length, head, HEADS, WIDTH, COLUMNS, ROWS)
        values = read(value, begin, length, head, HEADS, WIDTH, COLUMNS, ROWS)
        scores = tl.dot(queries, tl.trans(keys), input_precision=PRECISION)
        scores = tl.where((rows < length)[None, :], scores, float("-inf"))
        peak, total, summed = fold(scores, values, peak, total, summed, PRECISION)
    if SUMMARISED:
        for low in range(0, blocks, SUMMARIES):
            others = low + tl.arange(0, SUMMARIES)
            taken = tl.load(summarised + listed + others, mask=others < blocks, other=0) != 0
            if tl.max(taken.to(tl.int32), 0) > 0:
                keys = read(mean_keys, low, blocks - low, head, HEADS, WIDTH, COLUMNS, SUMMARIES)
                values = read(mean_values, low, blocks - low, head, HEADS, WIDTH, COLUMNS, SUMMARIES)
                bias = tl.log(tl.load(sizes + others, mask=others < blocks, other=1).to(tl.float32))
                scores = tl.dot(queries, tl.trans(keys), input_precision=PRECISION) + bias[None, :]
                scores = tl.where(taken[None, :], scores, float("-inf"))
                peak, total, summed = fold(scores, values, peak, total, summed, PRECISION)
    write(mixed, summed / total[:, None], first, size, head, HEADS, WIDTH, COLUMNS, ROWS)
    tl.store(logarithms + (first + rows) * HEADS + head, peak + tl.log(total), mask=rows < size)


@triton.jit
def of_queries(
    query, key, value, starts, sizes, order, counts, mean_keys, mean_values, summarised,
    grad, logarithms, shifts, grad_query, blocks,
    SUMMARISED: tl.constexpr, SUMMARIES: tl.constexpr, SCALE: tl.constexpr, PRECISION: tl.constexpr,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the gradient of a block of queries."""
    block, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    first, size = tl.load(starts + block), tl.load(sizes + block)
    listed, rows = (block * HEADS + head) * blocks, tl.arange(0, ROWS)
    queries = read(query, first, size, head, HEADS, WIDTH, COLUMNS, ROWS) * SCALE
    grads = read(grad, first, size, head, HEADS, WIDTH, COLUMNS, ROWS)
    logarithm = read_numbers(logarithms, first, size, head, HEADS, ROWS)
    shift = read_numbers(shifts, first, size, head, HEADS, ROWS)
    summed = tl.zeros((ROWS, COLUMNS), tl.float32)
    for number in range(tl.load(counts + block * HEADS + head)):
        other = tl.load(order + listed + number)
        begin, length = tl.load(starts + other), tl.load(sizes + other)
        keys = read(key, begin, length, head, HEADS, WIDTH, COLUMNS, ROWS)
        values = read(value, begin, length, head, HEADS, WIDTH, COLUMNS, ROWS)
        scores = tl.dot(queries, tl.trans(keys), input_precision=PRECISION)
        weights = tl.where((rows < length)[None, :], tl.exp(scores - logarithm[:, None]), 0.0)
        slopes = weights * (tl.dot(grads, tl.trans(values), input_precision=PRECISION) - shift[:, None])
        summed += tl.dot(slopes, keys, input_precision=PRECISION)
    if SUMMARISED:
        for low in range(0, blocks, SUMMARIES):
            others = low + tl.arange(0, SUMMARIES)
            taken = tl.load(summarised + listed + others, mask=others < blocks, other=0) != 0
            if tl.max(taken.to(tl.int32), 0) > 0:
                keys = read(mean_keys, low, blocks - low, head, HEADS, WIDTH, COLUMNS, SUMMARIES)
                values = read(mean_values, low, blocks - low, head, HEADS, WIDTH, COLUMNS, SUMMARIES)
                bias = tl.log(tl.load(sizes + others, mask=others < blocks, other=1).to(tl.float32))
                scores = tl.dot(queries, tl.trans(keys), input_precision=PRECISION) + bias[None, :]
                weights = tl.where(taken[None, :], tl.exp(scores - logarithm[:, None]), 0.0)
                slopes = weights * (
                    tl.dot(grads, tl.trans(values), input_precision=PRECISION) - shift[:, None]
                )
                summed += tl.dot(slopes, keys, input_precision=PRECISION)
    write(grad_query, summed * SCALE, first, size, head, HEADS, WIDTH, COLUMNS, ROWS)


@triton.jit
def of_keys(
    query, key, value, starts, sizes, order, counts, grad, logarithms, shifts, grad_key, grad_value, blocks,
    SCALE: tl.constexpr, PRECISION: tl.constexpr,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the gradients of a block of keys and values, from the blocks of queries that chose it."""
    block, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    first, size = tl.load(starts + block), tl.load(sizes + block)
    rows = tl.arange(0, ROWS)
    keys = read(key, first, size, head, HEADS, WIDTH, COLUMNS, ROWS)
    values = read(value, first, size, head, HEADS, WIDTH, COLUMNS, ROWS)
    of_key = tl.zeros((ROWS, COLUMNS), tl.float32)
    of_value = tl.zeros((ROWS, COLUMNS), tl.float32)
    for number in range(tl.load(counts + block * HEADS + head)):
        other = tl.load(order + (block * HEADS + head) * blocks + number)
        begin, length = tl.load(starts + other), tl.load(sizes + other)
        queries = read(query, begin, length, head, HEADS, WIDTH, COLUMNS, ROWS) * SCALE
        grads = read(grad, begin, length, head, HEADS, WIDTH, COLUMNS, ROWS)
        logarithm = read_numbers(logarithms, begin, length, head, HEADS, ROWS)
        shift = read_numbers(shifts, begin, length, head, HEADS, ROWS)
        scores = tl.dot(queries, tl.trans(keys), input_precision=PRECISION)
        weights = tl.where((rows < length)[:, None], tl.exp(scores - logarithm[:, None]), 0.0)
        slopes = weights * (tl.dot(grads, tl.trans(values), input_precision=PRECISION) - shift[:, None])
        of_key += tl.dot(tl.trans(slopes), queries, input_precision=PRECISION)
        of_value += tl.dot(tl.trans(weights), grads, input_precision=PRECISION)
    write(grad_key, of_key, first, size, head, HEADS, WIDTH, COLUMNS, ROWS)
    write(grad_value, of_value, first, size, head, HEADS, WIDTH, COLUMNS, ROWS)


@triton.jit
def of_summaries(
    query, starts, sizes, mean_keys, mean_values, summarised, grad, logarithms, shifts,
    grad_keys, grad_values, blocks,
    SUMMARIES: tl.constexpr, SCALE: tl.constexpr, PRECISION: tl.constexpr,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the gradients of some summaries, from all blocks of queries that they entered."""
    low, head = tl.program_id(0) * SUMMARIES, tl.program_id(1)
    others, rows = low + tl.arange(0, SUMMARIES), tl.arange(0, ROWS)
    keys = read(mean_keys, low, blocks - low, head, HEADS, WIDTH, COLUMNS, SUMMARIES)
    values = read(mean_values, low, blocks - low, head, HEADS, WIDTH, COLUMNS, SUMMARIES)
    bias = tl.log(tl.load(sizes + others, mask=others < blocks, other=1).to(tl.float32))
    of_key = tl.zeros((SUMMARIES, COLUMNS), tl.float32)
    of_value = tl.zeros((SUMMARIES, COLUMNS), tl.float32)
    for block in range(blocks):
        listed = (block * HEADS + head).to(tl.int64) * blocks
        taken = tl.load(summarised + listed + others, mask=others < blocks, other=0) != 0
        if tl.max(taken.to(tl.int32), 0) > 0:
            begin, length = tl.load(starts + block), tl.load(sizes + block)
            queries = read(query, begin, length, head, HEADS, WIDTH, COLUMNS, ROWS) * SCALE
            grads = read(grad, begin, length, head, HEADS, WIDTH, COLUMNS, ROWS)
            logarithm = read_numbers(logarithms, begin, length, head, HEADS, ROWS)
            shift = read_numbers(shifts, begin, length, head, HEADS, ROWS)
            scores = tl.dot(queries, tl.trans(keys), input_precision=PRECISION) + bias[None, :]
            entered = taken[None, :] & (rows < length)[:, None]
            weights = tl.where(entered, tl.exp(scores - logarithm[:, None]), 0.0)
            slopes = weights * (tl.dot(grads, tl.trans(values), input_precision=PRECISION) - shift[:, None])
            of_key += tl.dot(tl.trans(slopes), queries, input_precision=PRECISION)
            of_value += tl.dot(tl.trans(weights), grads, input_precision=PRECISION)
    write(grad_keys, of_key, low, blocks - low, head, HEADS, WIDTH, COLUMNS, SUMMARIES)
    write(grad_values, of_value, low, blocks - low, head, HEADS, WIDTH, COLUMNS, SUMMARIES)
