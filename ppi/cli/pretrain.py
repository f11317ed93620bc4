"""`ppi pretrain`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ppi.cli.flags import flags_of
from ppi.cli.groups import DATA, OUTPUT
from ppi.pretraining.settings import PretrainSettings, RunOptions
from ppi.setting_groups import SettingGroup

if TYPE_CHECKING:
    SettingFlags = dict[str, Any]
    OptionFlags = dict[str, Any]
else:
    SettingFlags = flags_of(PretrainSettings, SettingGroup.OPTIMISATION)
    OptionFlags = flags_of(RunOptions, SettingGroup.HARDWARE)


def pretrain(
    *corpus: Annotated[Path, DATA],
    output: Annotated[Path, OUTPUT],
    settings: Annotated[SettingFlags | None, Parameter(name="*")] = None,
    options: Annotated[OptionFlags | None, Parameter(name="*")] = None,
) -> None:
    """Pretrain a small protein language model (architecture of ESM-2), a backbone for `ppi train`.

    ```
    ppi pretrain proteins.txt.xz --minutes 120 --output run
    ppi pretrain proteins.fasta.gz more.txt --depth 4 --width 256 --heads 4 --steps 20000 --output run
    ppi pretrain proteins.txt.xz --minutes 120 --output run --resume
    ppi pretrain proteins.txt.xz --decay-from run/stable.safetensors --steps 40000 --output longer
    ppi pretrain proteins.txt.xz --start-from ppi-mini --depth 12 --minutes 120 --output deeper
    ppi pretrain proteins.txt.xz --select ppi-mini --select-share 0.2 --minutes 120 --output selected
    ppi train --recipe network --backbone run/model --head hp --output model
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

    done = run(
        corpus,
        output=output,
        settings=PretrainSettings(**(settings or {})),
        options=RunOptions(**(options or {})),
    )
    print(done.summary(), file=sys.stderr)
