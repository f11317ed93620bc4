"""The same as `ppi study`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["study", *sys.argv[1:]])
