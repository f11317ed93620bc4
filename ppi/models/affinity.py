"""The model: one backbone and an ensemble of heads over its residue embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin, snapshot_download
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from heads.ragged import RaggedBatch
from heads.registry import HEADS, EncodingUnit, find
from ppi.backbones.registry import build_backbone
from ppi.models.config import ModelConfig
from ppi.models.folder import CONFIG_FILE, WEIGHTS_FILE


class AffinityModel(nn.Module, PyTorchModelHubMixin):
    """Predicts pKd from ragged residue embeddings.

    The backbone is frozen: it is made again from its spec and never saved.

    Attributes
    ----------
    config
        What it was built from.
    backbone
        Makes the residue embeddings that `forward` takes.
    heads
        One a member of the ensemble.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.backbone = build_backbone(config.backbone, layers=config.layers, precision=config.precision)
        self.backbone.requires_grad_(False)
        # With the commit of the hub, so that the same weights are loaded next time.
        self.config = config.model_copy(update={"backbone": self.backbone.spec})
        self.heads = nn.ModuleList(config.build_head(self.backbone.dim) for _ in range(config.members))

    @property
    def encoding_unit(self) -> EncodingUnit:
        """What the backbone encodes in one go for these heads."""
        unit: EncodingUnit = find(HEADS, self.config.head).encoding_unit
        return unit

    @property
    def both_orders(self) -> bool:
        """Whether whole complexes are encoded in both orders of their sides."""
        return any(head.both_orders for head in self.heads)

    def forward(self, batch: RaggedBatch) -> Tensor:
        """Return ``(M, B)`` pKd: one row a member, one column a complex."""
        scores = torch.stack([head(batch) for head in self.heads])
        return scores * self.config.label_std + self.config.label_mean

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` (called by `save_pretrained`)."""
        (save_directory / CONFIG_FILE).write_text(self.config.model_dump_json(indent=2) + "\n")
        save_file(
            {name: tensor.contiguous() for name, tensor in self.heads.state_dict().items()},
            save_directory / WEIGHTS_FILE,
        )

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> AffinityModel:
        """Read a local folder or a hub repository (called by `from_pretrained`)."""
        folder = Path(model_id)
        if not folder.is_dir():
            known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
            folder = Path(snapshot_download(model_id, **{k: v for k, v in options.items() if k in known}))
        model = cls(ModelConfig.model_validate_json((folder / CONFIG_FILE).read_text()))
        model.heads.load_state_dict(load_file(folder / WEIGHTS_FILE))
        return model.eval()
