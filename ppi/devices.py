"""Where to compute."""

from __future__ import annotations

from ppi.errors import SettingsError


def choose_device(name: str) -> str:
    """Return a torch device: ``auto`` is CUDA where there is one, else the CPU.

    Raises
    ------
    SettingsError
        If the name is no device, or names one that is not there.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(
            f"device {name!r} is not known; auto, cpu, cuda or cuda:N was expected"
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise SettingsError(f"device {name!r} is not supported; auto, cpu, cuda or cuda:N was expected")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(
            f"device {name!r} was asked for, but torch finds {torch.cuda.device_count()} CUDA GPU(s) here"
        )
    return name
