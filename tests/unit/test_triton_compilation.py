"""Triton kernels compile for GPUs, which needs none, and fit into their shared memory."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

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
    **dict.fromkeys(["decays", "states", "logarithms", "shifts"], "*fp32"),
    **dict.fromkeys(["offsets", "chunk_offsets", "chunk_segment", "starts", "sizes"], "*i64"),
    **dict.fromkeys(["order", "counts"], "*i32"),
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
    "SUMMARISED": True,
    "SCALE": WIDTH**-0.5,
}


def modules() -> dict[str, tuple[ModuleType, list[str], int]]:
    """Return modules with kernels, which import Triton, the names of the kernels, and their warps."""
    from heads.kernels import decay_triton_kernels, selected_triton, selected_triton_kernels

    of_selection = ["forward", "of_queries", "of_keys", "of_summaries"]
    return {
        "decay": (decay_triton_kernels, ["sums", "accumulate", "mix"], 4),
        "selected": (selected_triton_kernels, of_selection, selected_triton.WARPS),
    }


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize(("kind", "precision"), [("*fp32", "tf32x3"), ("*bf16", "tf32")])
@pytest.mark.parametrize("module", ["decay", "selected"])
def test_kernels_compile(module: str, kind: str, precision: str, gpu: int) -> None:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernels, names, warps = modules()[module]
    for name in names:
        kernel = getattr(kernels, name)
        parameters = [parameter.name for parameter in kernel.params]
        constants = {**CONSTANTS, "PRECISION": precision}
        given = {place: constants[each] for place, each in enumerate(parameters) if each in constants}
        signature = {each: "constexpr" if each in constants else TYPES.get(each, kind) for each in parameters}
        source = ASTSource(
            fn=kernel, signature=signature, constexprs={(place,): value for place, value in given.items()}
        )
        compiled = triton.compile(source, target=GPUTarget("cuda", gpu, 32), options={"num_warps": warps})
        assert compiled.asm["cubin"]
        assert compiled.metadata.shared <= GPUS[gpu]
