"""`python -m ppi` is the command `ppi`."""

from __future__ import annotations

from ppi.cli import main

main()
