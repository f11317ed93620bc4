"""The same as `ppi suggest`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["suggest", *sys.argv[1:]])
