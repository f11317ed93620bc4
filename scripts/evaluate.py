"""The same as `ppi evaluate`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
