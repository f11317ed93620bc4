"""The same as `ppi serve`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["serve", *sys.argv[1:]])
