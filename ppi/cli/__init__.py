"""The command line: one file a verb, each a thin door to a public function."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from cyclopts import App, CycloptsError
from pydantic import ValidationError

from data_curation.errors import CurationError, OutputError
from ppi.cli.adapt import adapt
from ppi.cli.audit import audit
from ppi.cli.curate import curate
from ppi.cli.embed import embed
from ppi.cli.evaluate import evaluate
from ppi.cli.explain import explain
from ppi.cli.info import info
from ppi.cli.predict import predict
from ppi.cli.pretrain import pretrain
from ppi.cli.scan import scan
from ppi.cli.screen import screen
from ppi.cli.serve import serve
from ppi.cli.split import split
from ppi.cli.study import study
from ppi.cli.suggest import suggest
from ppi.cli.train import train
from ppi.errors import PpiError, PpiWarning
from ppi.messages import show_messages
from ppi.provenance import package_version

app = App(
    name="ppi",
    help="Protein-protein binding affinity from sequence. `ppi VERB --help` shows options and examples.",
    version=package_version,
    result_action="return_value",
    help_format="markdown",
    suppress_keyboard_interrupt=False,  # `main` says so, and exits with 130
)
# These modules import nothing heavy; what they call does, when it is called.
for _verb in (
    *(curate, split, audit, embed, pretrain, train, evaluate),
    *(predict, screen, scan, explain, adapt, suggest, serve, study, info),
):
    app.command(_verb)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0, or 1 with one line that says what is wrong (2: wrong usage).

    ``--debug`` shows the traceback instead.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    warnings.showwarning = _show_warning
    show_messages()
    try:
        # A dash alone is standard input, which the parser would take for an option without a name.
        words = ["/dev/stdin" if word == "-" else word for word in given if word != "--debug"]
        app(words, exit_on_error=False, print_error=False)
        _flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader is gone
        sys.exit(141)
    except (PpiError, CurationError) as error:
        if debug:
            raise
        sys.exit(_print_line("error", str(error), 1))
    except CycloptsError as error:
        if debug:
            raise
        sys.exit(_print_line("error", _one_line(error), 2))
    except OSError as error:
        if debug:
            raise
        sys.exit(_print_line("error", f"{error.filename or 'standard output'}: {error.strerror or error}", 1))
    except Exception as error:
        if debug:
            raise
        text = " ".join(str(error).split())
        sys.exit(_print_line("error", f"{type(error).__name__}: {text} (--debug shows where)", 1))
    except KeyboardInterrupt:
        sys.exit(_print_line("error", "interrupted", 130))


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def _one_line(error: CycloptsError) -> str:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        first = cause.errors()[0]
        place = [str(step) for step in first["loc"]]
        place = place[1:] if place[:1] == ["model"] else place  # its settings are flags of their own
        flag = f"--{'.'.join(place).replace('_', '-')}: " if place else ""
        got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
        return f"{flag}{first['msg'].removeprefix('Value error, ')}{got}"
    return " ".join(str(error).split())


def _print_line(kind: str, text: str, code: int) -> int:
    print(f"ppi: {kind}: {text}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, category: type[Warning], *place: object, **_: object) -> None:
    """Show our own warnings as one line; those of libraries are for developers."""
    if issubclass(category, PpiWarning):
        _print_line("warning", str(message), 0)
