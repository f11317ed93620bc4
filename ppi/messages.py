"""Show the messages of the library when it is run from the command line."""

from __future__ import annotations

import logging
import sys


class _PlainLines(logging.Handler):
    """Writes each message as a line to the current standard error, which a progress bar may replace."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


_HANDLER = _PlainLines()


def show_messages() -> None:
    """Write the messages of this distribution, from level INFO on, to standard error as plain lines.

    The library itself only logs; a program that imports it decides how to show the messages.
    """
    for name in ("ppi", "data_curation"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        if _HANDLER not in logger.handlers:
            logger.addHandler(_HANDLER)
