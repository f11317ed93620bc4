# mypy: ignore-errors
# ruff: noqa: N803
"""The Triton kernels of `heads.kernels.block_attention_triton`, where their arguments are described.

Arguments in capitals are compile-time constants: ``WIDTH`` is d, ``HEADS`` is H; ``COLUMNS`` is the power of
two that holds d, and ``ROWS`` the one that holds a block; summaries are taken ``SUMMARIES`` at a time;
``SCALE`` multiplies products, ``TYPE`` is the type of their factors, and ``PRECISION`` that of float32.
``LISTED`` says that `order` lists the visited blocks; otherwise it has the first of consecutive ones.
"""

# Triton reads annotations when it compiles a kernel, so they must not be postponed to strings here.

import triton
import triton.language as tl


@triton.jit
def read(values, first, size, head, TYPE: tl.constexpr, HEADS: tl.constexpr, WIDTH: tl.constexpr,
         COLUMNS: tl.constexpr, ROWS: tl.constexpr):  # fmt: skip
    """Read ``size`` rows of a head from the row ``first`` on; zeros fill the tile."""
    rows, columns = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    inside = (rows < size)[:, None] & (columns < WIDTH)[None, :]
    at = ((first + rows) * HEADS + head)[:, None] * WIDTH + columns[None, :]
    return tl.load(values + at, mask=inside, other=0.0).to(TYPE)


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
    """Read one number of a head for each of ``size`` rows; zeros if there are no such numbers."""
    rows = tl.arange(0, ROWS)
    found = tl.zeros((ROWS,), tl.float32)
    if numbers is not None:
        found = tl.load(numbers + (first + rows) * HEADS + head, mask=rows < size, other=0.0)
    return found


@triton.jit
def visited(order, at, number, blocks, LISTED: tl.constexpr):
    """Return the block that is visited after `number` others, for the block and head with the place `at`."""
    return tl.load(order + at * blocks + number) if LISTED else tl.load(order + at) + number


@triton.jit
def near(first, begin, windows, at, ROWS: tl.constexpr):
    """Return which rows from `first` on see which rows from `begin` on, by the window; all without one."""
    rows = tl.arange(0, ROWS)
    found = tl.full((ROWS, ROWS), True, tl.int1)
    if windows is not None:
        offsets = (first + rows)[:, None] - (begin + rows)[None, :]
        found = tl.abs(offsets) <= tl.load(windows + at)
    return found


@triton.jit
def fold(scores, seen, values, peak, total, summed, WEIGHTING: tl.constexpr, PRECISION: tl.constexpr):
    """Add more scores to the maximum and sum of a softmax, and their values to the weighted sum."""
    if WEIGHTING == "softmax":
        scores = tl.where(seen, scores, float("-inf"))
        higher = tl.maximum(peak, tl.max(scores, 1))
        weights, factor = tl.exp(scores - higher[:, None]), tl.exp(peak - higher)
        peak, total, summed = higher, total * factor + tl.sum(weights, 1), summed * factor[:, None]
    else:
        weights = tl.where(seen, unnormalised(scores, WEIGHTING), 0.0)
    summed += tl.dot(weights.to(values.dtype), values, input_precision=PRECISION)
    return peak, total, summed


@triton.jit
def unnormalised(scores, WEIGHTING: tl.constexpr):
    """Return the weights of scores that do not compete."""
    return tl.maximum(scores, 0.0) if WEIGHTING == "relu" else tl.sigmoid(scores)


@triton.jit
def slopes_of(scores, of_weights, seen, logarithm, shift, WEIGHTING: tl.constexpr):
    """Return the weights, and the gradient of the scores from that of the weights."""
    if WEIGHTING == "softmax":
        weights = tl.where(seen, tl.exp(scores - logarithm[:, None]), 0.0)
        slopes = weights * (of_weights - shift[:, None])
    elif WEIGHTING == "relu":
        weights = tl.where(seen, unnormalised(scores, WEIGHTING), 0.0)
        slopes = tl.where(weights > 0, of_weights, 0.0)
    else:
        weights = tl.where(seen, unnormalised(scores, WEIGHTING), 0.0)
        slopes = weights * (1 - weights) * of_weights
    return weights, slopes


@triton.jit
def product(one, other, PRECISION: tl.constexpr):
    """Return the products of all rows of one tile with all rows of another."""
    return tl.dot(one, tl.trans(other), input_precision=PRECISION)


@triton.jit
def forward(
    query, key, value, starts, sizes, order, counts, windows, biases, mean_keys, mean_values, summarised,
    mixed, logarithms, blocks,
    LISTED: tl.constexpr, WEIGHTING: tl.constexpr, SUMMARIES: tl.constexpr, SCALE: tl.constexpr,
    TYPE: tl.constexpr, PRECISION: tl.constexpr,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the attention of a block of queries, and the logarithms of the denominators of a softmax."""
    block, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    first, size = tl.load(starts + block), tl.load(sizes + block)
    at, rows = block * HEADS + head, tl.arange(0, ROWS)
    queries = read(query, first, size, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
    bias = 0.0 if biases is None else tl.load(biases + at)
    # The lowest maximum is finite, so that a tile without visible rows adds nothing.
    peak = tl.full((ROWS,), -1e30, tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    summed = tl.zeros((ROWS, COLUMNS), tl.float32)
    for number in range(tl.load(counts + at)):
        other = visited(order, at, number, blocks, LISTED)
        begin, length = tl.load(starts + other), tl.load(sizes + other)
        keys = read(key, begin, length, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
        values = read(value, begin, length, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
        scores = product(queries, keys, PRECISION) * SCALE + bias
        seen = (rows < length)[None, :] & near(first, begin, windows, at, ROWS)
        peak, total, summed = fold(scores, seen, values, peak, total, summed, WEIGHTING, PRECISION)
    if summarised is not None:
        for low in range(0, blocks, SUMMARIES):
            others = low + tl.arange(0, SUMMARIES)
            taken = tl.load(summarised + at * blocks + others, mask=others < blocks, other=0) != 0
            if tl.max(taken.to(tl.int32), 0) > 0:
                keys = read(mean_keys, low, blocks - low, head, TYPE, HEADS, WIDTH, COLUMNS, SUMMARIES)
                values = read(mean_values, low, blocks - low, head, TYPE, HEADS, WIDTH, COLUMNS, SUMMARIES)
                masses = tl.log(tl.load(sizes + others, mask=others < blocks, other=1).to(tl.float32))
                scores = product(queries, keys, PRECISION) * SCALE + masses[None, :]
                seen = taken[None, :]
                peak, total, summed = fold(scores, seen, values, peak, total, summed, WEIGHTING, PRECISION)
    if WEIGHTING == "softmax":
        total = tl.where(rows < size, total, 1.0)
        summed = summed / total[:, None]
        tl.store(logarithms + (first + rows) * HEADS + head, peak + tl.log(total), mask=rows < size)
    write(mixed, summed, first, size, head, HEADS, WIDTH, COLUMNS, ROWS)


@triton.jit
def of_queries(
    query, key, value, starts, sizes, order, counts, windows, biases, mean_keys, mean_values, summarised,
    grad, logarithms, shifts, grad_query, grad_biases, blocks,
    LISTED: tl.constexpr, WEIGHTING: tl.constexpr, SUMMARIES: tl.constexpr, SCALE: tl.constexpr,
    TYPE: tl.constexpr, PRECISION: tl.constexpr,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the gradients of a block of queries and of its bias."""
    block, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    first, size = tl.load(starts + block), tl.load(sizes + block)
    at, rows = block * HEADS + head, tl.arange(0, ROWS)
    queries = read(query, first, size, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
    grads = read(grad, first, size, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
    logarithm = read_numbers(logarithms, first, size, head, HEADS, ROWS)
    shift = read_numbers(shifts, first, size, head, HEADS, ROWS)
    bias = 0.0 if biases is None else tl.load(biases + at)
    summed = tl.zeros((ROWS, COLUMNS), tl.float32)
    of_bias = tl.zeros((ROWS,), tl.float32)
    for number in range(tl.load(counts + at)):
        other = visited(order, at, number, blocks, LISTED)
        begin, length = tl.load(starts + other), tl.load(sizes + other)
        keys = read(key, begin, length, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
        values = read(value, begin, length, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
        scores = product(queries, keys, PRECISION) * SCALE + bias
        seen = (rows < length)[None, :] & (rows < size)[:, None] & near(first, begin, windows, at, ROWS)
        of_weights = product(grads, values, PRECISION)
        _, slopes = slopes_of(scores, of_weights, seen, logarithm, shift, WEIGHTING)
        summed += tl.dot(slopes.to(TYPE), keys, input_precision=PRECISION)
        of_bias += tl.sum(slopes, 1)
    if summarised is not None:
        for low in range(0, blocks, SUMMARIES):
            others = low + tl.arange(0, SUMMARIES)
            taken = tl.load(summarised + at * blocks + others, mask=others < blocks, other=0) != 0
            if tl.max(taken.to(tl.int32), 0) > 0:
                keys = read(mean_keys, low, blocks - low, head, TYPE, HEADS, WIDTH, COLUMNS, SUMMARIES)
                values = read(mean_values, low, blocks - low, head, TYPE, HEADS, WIDTH, COLUMNS, SUMMARIES)
                masses = tl.log(tl.load(sizes + others, mask=others < blocks, other=1).to(tl.float32))
                scores = product(queries, keys, PRECISION) * SCALE + masses[None, :]
                of_weights = product(grads, values, PRECISION)
                _, slopes = slopes_of(scores, of_weights, taken[None, :], logarithm, shift, WEIGHTING)
                summed += tl.dot(slopes.to(TYPE), keys, input_precision=PRECISION)
    write(grad_query, summed * SCALE, first, size, head, HEADS, WIDTH, COLUMNS, ROWS)
    if grad_biases is not None:
        tl.store(grad_biases + at, tl.sum(of_bias, 0))


@triton.jit
def of_keys(
    query, key, value, starts, sizes, order, counts, windows, biases, grad, logarithms, shifts,
    grad_key, grad_value, blocks,
    LISTED: tl.constexpr, WEIGHTING: tl.constexpr, SCALE: tl.constexpr,
    TYPE: tl.constexpr, PRECISION: tl.constexpr,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the gradients of a block of keys and values, from the blocks of queries that attended it.

    These belong to the same segment, so that they have the window and the bias of this block.
    """
    block, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    first, size = tl.load(starts + block), tl.load(sizes + block)
    at, rows = block * HEADS + head, tl.arange(0, ROWS)
    keys = read(key, first, size, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
    values = read(value, first, size, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
    bias = 0.0 if biases is None else tl.load(biases + at)
    of_key = tl.zeros((ROWS, COLUMNS), tl.float32)
    of_value = tl.zeros((ROWS, COLUMNS), tl.float32)
    for number in range(tl.load(counts + at)):
        other = visited(order, at, number, blocks, LISTED)
        begin, length = tl.load(starts + other), tl.load(sizes + other)
        queries = read(query, begin, length, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
        grads = read(grad, begin, length, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
        logarithm = read_numbers(logarithms, begin, length, head, HEADS, ROWS)
        shift = read_numbers(shifts, begin, length, head, HEADS, ROWS)
        scores = product(queries, keys, PRECISION) * SCALE + bias
        seen = (rows < length)[:, None] & near(begin, first, windows, at, ROWS)
        of_weights = product(grads, values, PRECISION)
        weights, slopes = slopes_of(scores, of_weights, seen, logarithm, shift, WEIGHTING)
        of_key += tl.dot(tl.trans(slopes).to(TYPE), queries, input_precision=PRECISION)
        of_value += tl.dot(tl.trans(weights).to(TYPE), grads, input_precision=PRECISION)
    write(grad_key, of_key * SCALE, first, size, head, HEADS, WIDTH, COLUMNS, ROWS)
    write(grad_value, of_value, first, size, head, HEADS, WIDTH, COLUMNS, ROWS)


@triton.jit
def of_summaries(
    query, starts, sizes, mean_keys, mean_values, summarised, grad, logarithms, shifts,
    grad_keys, grad_values, blocks,
    WEIGHTING: tl.constexpr, SUMMARIES: tl.constexpr, SCALE: tl.constexpr,
    TYPE: tl.constexpr, PRECISION: tl.constexpr,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the gradients of some summaries, from all blocks of queries that they entered."""
    low, head = tl.program_id(0) * SUMMARIES, tl.program_id(1)
    others, rows = low + tl.arange(0, SUMMARIES), tl.arange(0, ROWS)
    keys = read(mean_keys, low, blocks - low, head, TYPE, HEADS, WIDTH, COLUMNS, SUMMARIES)
    values = read(mean_values, low, blocks - low, head, TYPE, HEADS, WIDTH, COLUMNS, SUMMARIES)
    masses = tl.log(tl.load(sizes + others, mask=others < blocks, other=1).to(tl.float32))
    of_key = tl.zeros((SUMMARIES, COLUMNS), tl.float32)
    of_value = tl.zeros((SUMMARIES, COLUMNS), tl.float32)
    for block in range(blocks):
        at = (block * HEADS + head).to(tl.int64)
        taken = tl.load(summarised + at * blocks + others, mask=others < blocks, other=0) != 0
        if tl.max(taken.to(tl.int32), 0) > 0:
            begin, length = tl.load(starts + block), tl.load(sizes + block)
            queries = read(query, begin, length, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
            grads = read(grad, begin, length, head, TYPE, HEADS, WIDTH, COLUMNS, ROWS)
            logarithm = read_numbers(logarithms, begin, length, head, HEADS, ROWS)
            shift = read_numbers(shifts, begin, length, head, HEADS, ROWS)
            scores = product(queries, keys, PRECISION) * SCALE + masses[None, :]
            entered = taken[None, :] & (rows < length)[:, None]
            of_weights = product(grads, values, PRECISION)
            weights, slopes = slopes_of(scores, of_weights, entered, logarithm, shift, WEIGHTING)
            of_key += tl.dot(tl.trans(slopes).to(TYPE), queries, input_precision=PRECISION)
            of_value += tl.dot(tl.trans(weights).to(TYPE), grads, input_precision=PRECISION)
    write(grad_keys, of_key * SCALE, low, blocks - low, head, HEADS, WIDTH, COLUMNS, SUMMARIES)
    write(grad_values, of_value, low, blocks - low, head, HEADS, WIDTH, COLUMNS, SUMMARIES)
