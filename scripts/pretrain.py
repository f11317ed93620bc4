"""Pretrain a small ESM-2, as `ppi pretrain` does.

It needs torch, transformers and numpy alone, so that it also runs where the package is not installed:
`PYTHONPATH=. python scripts/pretrain.py ...`.
"""

from __future__ import annotations

import argparse
import sys

from data_curation.errors import CurationError
from ppi.errors import PpiError
from ppi.messages import show_messages
from ppi.pretraining.arguments import add_options, path_list, taken
from ppi.pretraining.run import pretrain
from ppi.pretraining.settings import PretrainSettings, RunOptions


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    path_list(parser)
    for settings in (PretrainSettings, RunOptions):
        add_options(parser, settings)
    given = parser.parse_args(arguments)
    show_messages()
    try:
        done = pretrain(
            given.corpus,
            output=given.output,
            settings=taken(PretrainSettings, given),
            options=taken(RunOptions, given),
        )
    except (PpiError, CurationError) as error:
        sys.exit(f"pretrain: error: {error}")
    print(done.summary(), file=sys.stderr)


if __name__ == "__main__":
    main()
