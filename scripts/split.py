"""The same as `ppi split`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["split", *sys.argv[1:]])
