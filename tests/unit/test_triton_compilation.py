"""Triton kernels compile for GPUs, which needs none, and fit into their shared memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from heads.kernels.dispatch import has_triton, interpreted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_triton(), reason="needs Triton"),
    pytest.mark.skipif(interpreted(), reason="interpreted kernels are not compiled"),
]

#: Compute capability of a GPU, and the bytes of shared memory of a program on it.
GPUS = {80: 163 * 2**10, 90: 227 * 2**10}
HEADS, WIDTH, COLUMNS = 8, 40, 64
TYPES = {
    **dict.fromkeys(["decays", "states", "logarithms", "shifts", "biases", "grad_biases"], "*fp32"),
    **dict.fromkeys(["offsets", "chunk_offsets", "chunk_segment", "starts", "sizes"], "*i64"),
    **dict.fromkeys(["order", "counts", "windows"], "*i32"),
    **dict.fromkeys(["segments", "blocks"], "i32"),
    "summarised": "*u8",
}
CONSTANTS: dict[str, Any] = {
    "HEADS": HEADS,
    "WIDTH": WIDTH,
    "COLUMNS": COLUMNS,
    "CHUNK": 64,
    "ROWS": 64,
    "ELEMENTS": 512,
    "SUMMARIES": 32,
    "SCALE": WIDTH**-0.5,
}
SUMMARIES = dict.fromkeys(["mean_keys", "mean_values", "summarised"])
BIASES = dict.fromkeys(["biases", "grad_biases"])
NUMBERS = dict.fromkeys(["logarithms", "shifts"])
OF_BLOCKS = ["forward", "of_queries", "of_keys"]
#: Kernels, and constants of them; an argument that is None is a constant, too.
CASES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "decay": (["sums", "accumulate", "mix"], {}),
    "selected": (
        [*OF_BLOCKS, "of_summaries"],
        {"LISTED": True, "WEIGHTING": "softmax", "windows": None, **BIASES},
    ),
    "windows": (OF_BLOCKS, {"LISTED": False, "WEIGHTING": "softmax", **BIASES, **SUMMARIES}),
    "sigmoid": (
        OF_BLOCKS,
        {"LISTED": False, "WEIGHTING": "sigmoid", "windows": None, **NUMBERS, **SUMMARIES},
    ),
    "relu": (
        OF_BLOCKS,
        {"LISTED": False, "WEIGHTING": "relu", "windows": None, **BIASES, **NUMBERS, **SUMMARIES},
    ),
}


@pytest.mark.parametrize(("dtype", "gpu"), [(torch.float32, 80), (torch.bfloat16, 90)], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_kernels_compile(case: str, dtype: torch.dtype, gpu: int) -> None:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from heads.kernels import block_attention_triton, block_attention_triton_kernels, decay_triton_kernels
    from heads.kernels.triton_sizes import product_precision, product_type

    names, given = CASES[case]
    values = torch.empty(0, dtype=dtype)
    products = {"PRECISION": product_precision(values), "TYPE": product_type(values)}
    kernels = block_attention_triton_kernels
    options = {"num_warps": block_attention_triton.WARPS, "num_stages": block_attention_triton.STAGES}
    if case == "decay":
        kernels, options = decay_triton_kernels, {}
    for name in names:
        kernel = getattr(kernels, name)
        constants = {**CONSTANTS, **products, **given}
        parameters = [parameter.name for parameter in kernel.params]
        places = {(place,): constants[each] for place, each in enumerate(parameters) if each in constants}
        kind = "*fp32" if dtype == torch.float32 else "*bf16"
        signature = {each: "constexpr" if each in constants else TYPES.get(each, kind) for each in parameters}
        source = ASTSource(fn=kernel, signature=signature, constexprs=places)
        compiled = triton.compile(source, target=GPUTarget("cuda", gpu, 32), options=options)
        assert compiled.asm["cubin"]
        assert compiled.metadata.shared <= GPUS[gpu]
