"""The same as `ppi scan`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["scan", *sys.argv[1:]])
