"""The same as `ppi screen`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["screen", *sys.argv[1:]])
