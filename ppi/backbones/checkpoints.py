"""Checkpoints by name: their location, size and licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal

Family = Literal["esm2", "esmc", "esm3", "t5"]

#: Limit where the architecture sets none; it bounds the memory of attention over one unit.
NO_LIMIT = 10_000

#: Paths of the weights of ESM3 on the hub and in a folder.
ESM3_FILE = "data/weights/esm3_sm_open_v1.pth"
ESM3_FILES = "data/weights/esm3_sm_open*.pth"


@dataclass(frozen=True)
class Checkpoint:
    """A language model, published or bundled with the package.

    Attributes
    ----------
    family
        Family, which determines the module that runs it.
    repository
        Repository on the Hugging Face hub; empty for a bundled model.
    millions
        Number of parameters of the encoder, in millions.
    width, depth, attention_heads
        Width of a residue embedding, number of layers, attention heads of each.
    licence
        Licence of the weights.
    context
        Length in residues of the longest training sequences.
    max_residues
        Maximum number of residues in a unit.
    architecture
        Other values that its configuration needs besides width, depth and attention_heads.
    """

    family: Family
    repository: str
    millions: int
    width: int
    depth: int
    attention_heads: int
    licence: str
    context: int
    max_residues: int = NO_LIMIT
    architecture: Mapping[str, object] = field(default_factory=dict)

    @property
    def ships(self) -> bool:
        """Whether its weights are bundled with the package."""
        return not self.repository


def _esm2(repository: str, millions: int, width: int, depth: int, attention_heads: int) -> Checkpoint:
    return Checkpoint("esm2", f"facebook/{repository}", millions, width, depth, attention_heads, "MIT", 1022)


def _esm1(repository: str, *, norm_before: bool) -> Checkpoint:
    absolute = {"position_embedding_type": "absolute", "emb_layer_norm_before": norm_before}
    return Checkpoint(
        "esm2", f"facebook/{repository}", 651, 1280, 33, 20, "MIT", 1022, 1022, architecture=absolute
    )


def _biohub(
    family: Family, repository: str, millions: int, width: int, depth: int, *, inner: int
) -> Checkpoint:
    # MIT since May 2026 (github.com/Biohub/esm); earlier copies came under the Cambrian licences.
    sizes = {"intermediate_size": inner}
    return Checkpoint(
        family, f"biohub/{repository}", millions, width, depth, width // 64, "MIT", 2046, architecture=sizes
    )


def _ankh(
    repository: str, millions: int, width: int, attention_heads: int, inner: int, gate: str
) -> Checkpoint:
    sizes = {
        "d_kv": 64,
        "d_ff": inner,
        "feed_forward_proj": f"gated-{gate}",
        "relative_attention_num_buckets": 64,
        "relative_attention_max_distance": 128,
        "vocab_size": 144,
    }
    name = f"ElnaggarLab/{repository}"
    return Checkpoint(
        "t5", name, millions, width, 48, attention_heads, "CC-BY-NC-SA-4.0", 512, architecture=sizes
    )


CHECKPOINTS: dict[str, Checkpoint] = {
    "ppi-mini": Checkpoint("esm2", "", 7, 320, 6, 5, "MIT", 510),
    "esm2-8m": _esm2("esm2_t6_8M_UR50D", 7, 320, 6, 20),
    "esm2-35m": _esm2("esm2_t12_35M_UR50D", 33, 480, 12, 20),
    "esm2-150m": _esm2("esm2_t30_150M_UR50D", 148, 640, 30, 20),
    "esm2-650m": _esm2("esm2_t33_650M_UR50D", 649, 1280, 33, 20),
    "esm2-3b": _esm2("esm2_t36_3B_UR50D", 2832, 2560, 36, 40),
    "esm2-15b": _esm2("esm2_t48_15B_UR50D", 15103, 5120, 48, 40),
    "esm1b": _esm1("esm1b_t33_650M_UR50S", norm_before=True),
    **{f"esm1v-{n}": _esm1(f"esm1v_t33_650M_UR90S_{n}", norm_before=False) for n in range(1, 6)},
    "esmc-300m": _biohub("esmc", "ESMC-300M", 332, 960, 30, inner=2560),
    "esmc-600m": _biohub("esmc", "ESMC-600M", 574, 1152, 36, inner=3072),
    "esm3-sm-open": _biohub("esm3", "esm3-sm-open-v1", 1366, 1536, 48, inner=4096),
    "prott5-xl-u50": Checkpoint(
        "t5",
        "Rostlab/prot_t5_xl_half_uniref50-enc",
        1208,
        1024,
        24,
        32,
        "AFL-3.0",
        512,
        architecture={
            "d_kv": 128,
            "d_ff": 16384,
            "feed_forward_proj": "relu",
            "relative_attention_num_buckets": 32,
            "relative_attention_max_distance": 128,
            "vocab_size": 128,
        },
    ),
    "ankh-base": _ankh("ankh-base", 453, 768, 12, 3072, "gelu"),
    "ankh-large": _ankh("ankh-large", 1152, 1536, 16, 3840, "gelu"),
    "ankh2-ext1": _ankh("ankh2-ext1", 1152, 1536, 16, 3840, "silu"),
    "ankh2-ext2": _ankh("ankh2-ext2", 1152, 1536, 16, 3840, "silu"),
}


def shipped_folder(name: str) -> Path:
    """Return the folder of bundled weights of a language model or an affinity model."""
    return Path(str(files("ppi") / "weights" / name))
