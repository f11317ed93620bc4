"""The same as `ppi train`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
