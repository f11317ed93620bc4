"""The same as `ppi curate`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["curate", *sys.argv[1:]])
