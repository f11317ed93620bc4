"""Write the checkpoint of a pretraining again at a quarter of its size.

    python scripts/shrink_checkpoint.py run/stable.safetensors kept.safetensors

`ppi pretrain --decay-from kept.safetensors` prolongs the run. Weights are kept in float16, without the
momentum of matrices, so that the result differs a little from that of a run that went on from the full
checkpoint.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from data_curation.errors import CurationError
from ppi.errors import PpiError
from ppi.pretraining.checkpoint import shrink_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="stable.safetensors of a run")
    parser.add_argument("output", type=Path, help="the smaller checkpoint")
    given = parser.parse_args()
    try:
        shrink_checkpoint(given.checkpoint, given.output)
    except (PpiError, CurationError) as error:
        sys.exit(f"shrink_checkpoint: error: {error}")


if __name__ == "__main__":
    main()
