"""The same as `ppi embed`."""

from __future__ import annotations

import sys

from ppi.cli import main

if __name__ == "__main__":
    main(["embed", *sys.argv[1:]])
