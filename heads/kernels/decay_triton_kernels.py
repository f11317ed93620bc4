# mypy: ignore-errors
# ruff: noqa: N803
"""The Triton kernels of `heads.kernels.decay_triton`, where their arguments are described.

Arguments in capitals are compile-time constants: ``WIDTH`` is d, ``HEADS`` is H; ``COLUMNS`` is the power of
two that holds d; a chunk has ``CHUNK`` rows; ``PRECISION`` is that of products.
"""

# Triton reads annotations when it compiles a kernel, so they must not be postponed to strings here.

import triton
import triton.language as tl


@triton.jit
def sums(
    key, value, decays, offsets, chunk_offsets, chunk_segment, states, segments,
    WIDTH: tl.constexpr, HEADS: tl.constexpr, COLUMNS: tl.constexpr, CHUNK: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Write ``k v^T`` of each chunk, decayed to the row after its last one and to its first one."""
    chunk, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    segment = tl.load(chunk_segment + chunk)
    if segment < segments:
        start = tl.load(offsets + segment) + (chunk - tl.load(chunk_offsets + segment)) * CHUNK
        places, columns = tl.arange(0, CHUNK), tl.arange(0, COLUMNS)
        inside = (start + places < tl.load(offsets + segment + 1))[:, None] & (columns < WIDTH)[None, :]
        at = ((start + places) * HEADS + head)[:, None] * WIDTH + columns[None, :]
        keys = tl.load(key + at, mask=inside, other=0.0).to(tl.float32)
        values = tl.load(value + at, mask=inside, other=0.0).to(tl.float32)
        rate = tl.log2(tl.load(decays + head))
        to_end = tl.exp2((CHUNK - places) * rate)[:, None]
        to_start = tl.exp2(places * rate)[:, None]
        square = columns[:, None] * WIDTH + columns[None, :]
        held = (columns < WIDTH)[:, None] & (columns < WIDTH)[None, :]
        forth = states + (2 * chunk * HEADS + head) * WIDTH * WIDTH + square
        back = forth + HEADS * WIDTH * WIDTH
        for_later = tl.trans(keys * to_end)
        for_earlier = tl.trans(keys * to_start)
        tl.store(forth, tl.dot(for_later, values, input_precision=PRECISION), mask=held)
        tl.store(back, tl.dot(for_earlier, values, input_precision=PRECISION), mask=held)


@triton.jit
def accumulate(
    states, decays, chunk_offsets,
    WIDTH: tl.constexpr, HEADS: tl.constexpr, CHUNK: tl.constexpr, ELEMENTS: tl.constexpr,
):  # fmt: skip
    """Replace the sum of each chunk by that over all earlier, or all later, chunks of its segment."""
    segment, head = tl.program_id(0).to(tl.int64), tl.program_id(1) // 2
    backward = tl.program_id(1) % 2
    elements = tl.program_id(2) * ELEMENTS + tl.arange(0, ELEMENTS)
    held = elements < WIDTH * WIDTH
    first, end = tl.load(chunk_offsets + segment), tl.load(chunk_offsets + segment + 1)
    far = tl.exp2(CHUNK * tl.log2(tl.load(decays + head)))
    total = tl.zeros((ELEMENTS,), tl.float32)
    for step in range(end - first):
        chunk = tl.where(backward == 1, end - 1 - step, first + step)
        at = states + ((2 * chunk + backward) * HEADS + head) * WIDTH * WIDTH + elements
        own = tl.load(at, mask=held, other=0.0)
        tl.store(at, total, mask=held)
        total = total * far + own


@triton.jit
def mix(
    query, key, value, decays, offsets, chunk_offsets, chunk_segment, states, mixed, segments,
    WIDTH: tl.constexpr, HEADS: tl.constexpr, COLUMNS: tl.constexpr, CHUNK: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Write what the rows of a chunk take from each other and from the accumulated sums."""
    chunk, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    segment = tl.load(chunk_segment + chunk)
    if segment < segments:
        start = tl.load(offsets + segment) + (chunk - tl.load(chunk_offsets + segment)) * CHUNK
        places, columns = tl.arange(0, CHUNK), tl.arange(0, COLUMNS)
        inside = (start + places < tl.load(offsets + segment + 1))[:, None] & (columns < WIDTH)[None, :]
        at = ((start + places) * HEADS + head)[:, None] * WIDTH + columns[None, :]
        queries = tl.load(query + at, mask=inside, other=0.0).to(tl.float32)
        keys = tl.load(key + at, mask=inside, other=0.0).to(tl.float32)
        values = tl.load(value + at, mask=inside, other=0.0).to(tl.float32)
        rate = tl.log2(tl.load(decays + head))
        distances = tl.abs(places[:, None] - places[None, :])
        weights = tl.dot(queries, tl.trans(keys), input_precision=PRECISION) * tl.exp2(distances * rate)
        total = tl.dot(weights, values, input_precision=PRECISION)
        square = columns[:, None] * WIDTH + columns[None, :]
        held = (columns < WIDTH)[:, None] & (columns < WIDTH)[None, :]
        forth = states + (2 * chunk * HEADS + head) * WIDTH * WIDTH + square
        earlier = tl.load(forth, mask=held, other=0.0)
        later = tl.load(forth + HEADS * WIDTH * WIDTH, mask=held, other=0.0)
        of_earlier = queries * tl.exp2(places * rate)[:, None]
        of_later = queries * tl.exp2((CHUNK - places) * rate)[:, None]
        total = tl.dot(of_earlier, earlier, total, input_precision=PRECISION)
        total = tl.dot(of_later, later, total, input_precision=PRECISION)
        tl.store(mixed + at, total.to(mixed.dtype.element_ty), mask=inside)
