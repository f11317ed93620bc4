"""Where the messages of the library go when it is run from the command line."""

from __future__ import annotations

import logging
import sys


class _PlainLines(logging.Handler):
    """Writes each message as a line to standard error, which is looked up anew, because a bar replaces it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


_HANDLER = _PlainLines()


def show_messages() -> None:
    """Write the messages of this distribution, from level INFO on, to standard error as plain lines.

    The library itself only logs: a program that imports it decides what becomes of its messages.
    """
    for name in ("ppi", "data_curation"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        if _HANDLER not in logger.handlers:
            logger.addHandler(_HANDLER)
