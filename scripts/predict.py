"""The same as `ppi predict`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["predict", *sys.argv[1:]])
