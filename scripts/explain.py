"""The same as `ppi explain`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["explain", *sys.argv[1:]])
