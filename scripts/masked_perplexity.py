"""How well language models guess the held-out clusters of a prepared pretraining corpus.

    python scripts/masked_perplexity.py run/corpus ppi-mini
    python scripts/masked_perplexity.py run/corpus ppi-mini run/model path/to/esm2_t6_8M_UR50D

Each model guesses the same residues, with its weights in float32: those that <mask> hides, by which `ppi
pretrain` measures itself, and all that training asks for, of which a tenth is swapped and a tenth shown, as
ESM-2 counts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import EsmForMaskedLM

from ppi.backbones.checkpoints import CHECKPOINTS, shipped_folder
from ppi.pretraining.corpus import open_corpus
from ppi.pretraining.model import MaskedLanguageModel
from ppi.pretraining.settings import PretrainSettings, RunOptions
from ppi.pretraining.validation import validate, validation_batches


def main() -> None:
    """Print a table in Markdown: perplexity and accuracy of each model, and of residue frequencies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder that ppi pretrain prepared")
    parser.add_argument("models", nargs="+", help="ppi-mini, or the folder of an ESM-2")
    given = parser.parse_args()
    corpus = open_corpus(given.corpus)
    hidden, requested = (
        validation_batches(
            corpus.validation,
            context=PretrainSettings().context,
            most_tokens=RunOptions().validation_tokens,
            hidden_only=hidden_only,
        )
        for hidden_only in (True, False)
    )
    targets = torch.cat([batch.targets for batch in hidden])
    frequencies = targets.bincount() / len(targets)
    print("| model | perplexity | accuracy | perplexity of all targets |\n| --- | --- | --- | --- |")
    perplexity, accuracy = torch.special.entr(frequencies).sum().exp(), frequencies.max()
    print(f"| residue frequencies | {perplexity:.2f} | {accuracy:.1%} | - |")
    for name in given.models:
        shipped = name in CHECKPOINTS and CHECKPOINTS[name].ships
        model = EsmForMaskedLM.from_pretrained(
            shipped_folder(name) if shipped else name, dtype=torch.float32
        ).eval()
        masked = MaskedLanguageModel(model)
        found, trained = (validate(masked, batches, torch.device("cpu")) for batches in (hidden, requested))
        print(f"| {name} | {found.perplexity:.2f} | {found.accuracy:.1%} | {trained.perplexity:.2f} |")


if __name__ == "__main__":
    main()
