"""The devices, processes and machines of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from lightning.pytorch.strategies import ModelParallelStrategy

from ppi.errors import SettingsError

Strategy = Literal["auto", "ddp", "fsdp"]


@dataclass(frozen=True)
class Hardware:
    """The hardware of a training run.

    Attributes
    ----------
    device
        ``cpu``, ``cuda`` or ``cuda:N``.
    devices, nodes
        Number of processes on each machine, and number of machines.
    strategy
        Strategy of Lightning for several processes: ``ddp`` (``auto``), each with the full model, or
        ``fsdp``, each with its share (`ppi.training.sharding`).

    Raises
    ------
    SettingsError
        If the numbers do not fit the device.
    """

    device: str = "cpu"
    devices: int = 1
    nodes: int = 1
    strategy: Strategy = "auto"

    def __post_init__(self) -> None:
        if min(self.devices, self.nodes) < 1:
            raise SettingsError(
                f"{self.devices} devices and {self.nodes} nodes; there must be at least one of each"
            )
        if ":" in self.device and self.devices > 1:
            raise SettingsError(
                f"device {self.device} is a single device, but --devices is {self.devices}; use cuda"
            )

    @property
    def processes(self) -> int:
        """Number of processes of the run."""
        return self.devices * self.nodes

    def trainer_flags(self) -> dict[str, Any]:
        """Return the arguments of Lightning's trainer."""
        kind, _, index = self.device.partition(":")
        devices: Any = [int(index)] if index else self.devices
        return {
            "accelerator": "gpu" if kind == "cuda" else "cpu",
            "devices": devices,
            "num_nodes": self.nodes,
            "strategy": self._sharding() if self.strategy == "fsdp" else self.strategy,
        }

    def _sharding(self) -> ModelParallelStrategy:
        return ModelParallelStrategy(
            data_parallel_size=self.processes, tensor_parallel_size=1, save_distributed_checkpoint=False
        )
