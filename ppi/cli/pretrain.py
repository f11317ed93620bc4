"""`ppi pretrain`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ppi.pretraining.settings import PretrainSettings, RunOptions


def pretrain(
    *corpus: Path,
    output: Path,
    settings: Annotated[PretrainSettings, Parameter(name="*")] = PretrainSettings(),  # noqa: B008 (frozen)
    options: Annotated[RunOptions, Parameter(name="*")] = RunOptions(),  # noqa: B008 (frozen)
) -> None:
    """Pretrain a small protein language model of ESM-2's architecture; the result is a backbone.

    ```
    ppi pretrain proteins.txt.xz --minutes 120 --output run
    ppi pretrain proteins.fasta.gz more.txt --depth 4 --width 256 --heads 4 --steps 20000 --output run
    ppi pretrain proteins.txt.xz --minutes 120 --output run --resume
    ppi pretrain proteins.txt.xz --decay-from run/stable.safetensors --steps 40000 --output longer
    ppi pretrain proteins.txt.xz --start-from ppi-mini --depth 12 --minutes 120 --output deeper
    ppi train --backbone run/model --head hp --output model
    ```

    Parameters
    ----------
    corpus
        Files of protein sequences: text with one sequence per line, or FASTA; plain, gzip or xz.
    output
        Folder for model, log, curve, checkpoints and the tokenised corpus.
    settings
        Settings that determine the result.
    options
        Options that do not affect the result.
    """
    from ppi.pretraining.run import pretrain as run

    done = run(corpus, output=output, settings=settings, options=options)
    print(done.summary(), file=sys.stderr)
