"""The same as `ppi audit`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["audit", *sys.argv[1:]])
