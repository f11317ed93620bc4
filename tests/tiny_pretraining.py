"""A pretraining that takes a second, and random sequences for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ppi.pretraining.settings import PretrainSettings

TINY = PretrainSettings(
    depth=2,
    width=32,
    heads=2,
    context=48,
    micro_tokens=128,
    batch_tokens=256,
    warmup_steps=5,
    learning_rate=5e-3,
    steps=24,
    validation_fraction=0.1,
)


def write_sequences(path: Path, alphabets: Sequence[str]) -> Path:
    """Write 60 random sequences of 50 to 89 residues, one a line, each with the letters of one alphabet."""
    random = np.random.default_rng(0)
    lines = [
        "".join(random.choice(list(alphabets[number % len(alphabets)]), size=int(random.integers(50, 90))))
        for number in range(60)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path
