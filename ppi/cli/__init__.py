"""The command line: one file a verb, each a thin door to a public function."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group, Parameter

from data_curation.errors import CurationError, OutputError
from ppi.cli.values import refuse_fractions, shown, usage_error
from ppi.errors import PpiError, PpiWarning
from ppi.messages import show_messages
from ppi.provenance import package_version

app = App(
    name="ppi",
    help="""Predict how strongly the two sides of a protein complex bind, from their sequences.

```
ppi predict examples/barnase_barstar.fasta
ppi scan examples/barnase_barstar.fasta --output scan.csv
ppi VERB --help
```
""",
    usage="Usage: ppi VERB [OPTIONS]",
    version=package_version,
    result_action="return_value",
    help_format="markdown",
    default_parameter=Parameter(negative_bool=(), negative_iterable=(), show_default=shown),
    config=refuse_fractions,
    suppress_keyboard_interrupt=False,  # `main` says so, and exits with 130
)
#: The verbs, as the help lists them. The module of a verb is imported when it is needed.
_VERBS = {
    "Predict": ("predict", "screen", "scan", "explain", "serve"),
    "Learn from your own measurements": ("adapt", "suggest"),
    "Train and compare models": ("train", "evaluate", "study", "embed", "pretrain"),
    "Prepare data": ("curate", "split", "audit"),
    "About": ("info",),
}
for _number, (_title, _names) in enumerate(_VERBS.items()):
    _group = Group(_title, sort_key=_number)
    for _position, _name in enumerate(_names):
        app.command(f"ppi.cli.{_name}:{_name}", group=_group, sort_key=_position)
# The last group is also that of the flags of `ppi` itself.
app.register_install_completion_command(
    help="Install completion of verbs, flags and names for your shell: a script, and a line in its start-up "
    "file.",
    group=_group,
)
app["--help"].group = app["--version"].group = _group


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0, or 1 with one line that says what is wrong (2: wrong usage).

    ``--debug`` shows the traceback instead.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    warnings.showwarning = _show_warning
    show_messages()
    if not given or given[0] in app.help_flags:
        _import_verbs()
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
        sys.exit(_print_line("error", usage_error(error), 2))
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


def _import_verbs() -> None:
    """Import the modules of all verbs, from which the help of `ppi` has what each of them does."""
    for names in _VERBS.values():
        for name in names:
            app[name]


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def _print_line(kind: str, text: str, code: int) -> int:
    print(f"ppi: {kind}: {text}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, category: type[Warning], *place: object, **_: object) -> None:
    """Show our own warnings as one line; those of libraries are for developers."""
    if issubclass(category, PpiWarning):
        _print_line("warning", str(message), 0)
