"""The choice of the device and its data type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ppi.errors import SettingsError

if TYPE_CHECKING:
    import torch

#: ``auto`` is bfloat16 if the hardware multiplies it natively, else float32.
Precision = Literal["auto", "float32", "bfloat16"]


def choose_device(name: str) -> str:
    """Return a torch device; ``auto`` is CUDA if available, else the CPU.

    Raises
    ------
    SettingsError
        If the name is not a device, or the device does not exist.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(f"device {name!r} is not known; choose auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise SettingsError(f"device {name!r} is not supported; choose auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(
            f"device {name!r} is not available, because torch finds {torch.cuda.device_count()} CUDA GPU(s) "
            "here"
        )
    return name


def choose_devices(names: str) -> list[str]:
    """Return the devices of a list joined by ``,``, or ``cuda:all``; see `choose_device`."""
    import torch

    if names == "cuda:all":
        choose_device("cuda")
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [choose_device(name.strip()) for name in names.split(",")]


def native_dtype(precision: Precision) -> torch.dtype:
    """Return the data type to compute in.

    For ``auto``, bfloat16 is multiplied natively by a GPU of compute capability 8.0 or newer, if there is a
    GPU, else by a CPU with AMX or AVX512-BF16.
    """
    import torch

    if precision == "auto":
        if torch.cuda.is_available():
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            native = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
        return torch.bfloat16 if native else torch.float32
    return torch.float32 if precision == "float32" else torch.bfloat16
