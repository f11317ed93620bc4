"""The same as `ppi info`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["info", *sys.argv[1:]])
