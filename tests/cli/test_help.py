"""The help, the groups of flags, and shell completion."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

import ppi
from ppi.cli import _VERBS, app, main
from ppi.cli.groups import _ORDER
from ppi.cli.values import shown

VERBS = [name for names in _VERBS.values() for name in names]
#: Verbs that have a function of this name in the package, with the flags that it does not have.
PUBLIC = {
    "adapt": {"output"},
    "evaluate": {"protocol", "recipe", "config", "work"},
    "embed": {"estimate", "list_stores", "prune"},
    "predict": {"ligand", "receptor", "output"},
    "study": set(),
    "suggest": {"output"},
    "train": {"recipe", "config"},
}


@pytest.fixture
def help_of(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    # COLUMNS would not do: a terminal that calls itself "dumb" has 80 columns, whatever it says.
    console = Console(width=300, height=100, force_terminal=False, color_system=None)

    def printed(*words: str) -> str:
        app([*words, "--help"], exit_on_error=False, print_error=False, console=console)
        return capsys.readouterr().out

    return printed


def titles(text: str) -> list[str]:
    return re.findall(r"^╭─ (.+?) ─+╮$", text, re.MULTILINE)


def test_the_help_lists_every_verb_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    printed = capsys.readouterr().out
    for name in VERBS:
        summary = (inspect.getdoc(app[name].default_command) or "").split("\n")
        assert re.search(
            rf"│ {name} +{re.escape(' '.join(summary[0].replace('`', '').split()[:3]))}", printed
        )
    assert titles(printed) == list(_VERBS)
    files = {path.stem for path in Path(ppi.__file__).parent.glob("cli/*.py")}
    assert set(VERBS) <= files


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_has_examples_and_groups_in_order(verb: str, help_of: Callable[..., str]) -> None:
    printed = help_of(verb)
    found = titles(printed)
    assert re.search(rf"^ ppi {verb}", printed[: printed.index("╭─")], re.MULTILINE)
    assert "--empty" not in printed
    assert "Parameters" not in found or verb == "info"
    if verb != "info":
        assert found == sorted(found, key=_ORDER.index)
        assert found
    for name, text in re.findall(r"^│[ *]+(--[a-z.-]+)(.*)$", printed, re.MULTILINE):
        assert "[default: False]" not in text, name
        assert ("--no-" in text) == ("default: on" in text), name


def test_settings_of_training_are_in_the_groups_that_they_declare(help_of: Callable[..., str]) -> None:
    printed = help_of("train")
    panels = dict(zip(titles(printed), re.split(r"^╭─.*╮$", printed, flags=re.MULTILINE)[1:], strict=True))
    for flag, group in {
        "--data": "Data",
        "--balance": "Data",
        "--output": "Output",
        "--recipe": "Recipe",
        "--head-options": "Model",
        "--members": "Model",
        "--tuning.method": "Tuning",
        "--tuning.dropout": "Tuning",
        "--losses": "Optimisation",
        "--seed": "Optimisation",
        "--device": "Hardware",
        "--precision": "Hardware",
    }.items():
        assert f" {flag} " in panels[group], flag
    assert "label-mean" not in printed


def test_the_help_shows_the_defaults_of_the_default_recipe(help_of: Callable[..., str]) -> None:
    printed = help_of("train")
    for flag, value in {
        "--backbone": "ppi-mini",
        "--layers": "3 -1",
        "--readout-options": "blocks 6, group_power 1.0, trees 200",
        "--partner-score --no-partner-score": "on",
        "--balance": "auto",
        "--max-epochs": "30",
    }.items():
        line = next(line for line in printed.splitlines() if line.startswith("│") and f" {flag} " in line)
        assert f"[default: {value}]" in line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (False, None),
        (True, "on"),
        ((), None),
        ({}, None),
        (0, "0"),
        ((3, -1), "3 -1"),
        ("a", "a"),
    ],
)
def test_defaults_are_shown_as_they_are_given(value: object, text: str | None) -> None:
    assert shown(value) == text


@pytest.mark.parametrize("verb", PUBLIC)
def test_a_verb_takes_what_the_function_of_the_package_takes(verb: str) -> None:
    module = Path(ppi.__file__).parent / "cli" / f"{verb}.py"
    (function,) = (
        item
        for item in ast.parse(module.read_text()).body
        if isinstance(item, ast.FunctionDef) and item.name in (verb, f"{verb}_configurations")
    )
    arguments = function.args
    flags = {
        item.arg for item in (*arguments.args, *arguments.kwonlyargs, arguments.vararg) if item is not None
    }
    public = {"study": "run_study"}.get(verb, verb)
    known = inspect.signature(getattr(ppi, public)).parameters
    command = inspect.signature(app[verb].default_command).parameters
    assert flags - PUBLIC[verb] - {"complexes"} <= known.keys()
    for name in (flags & known.keys()) - {"baselines"}:
        if inspect.Parameter.empty not in (command[name].default, known[name].default):
            assert command[name].default in (known[name].default, known[name].default or ()), name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_verbs_flags_and_names(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # the command adds a line to a start-up file
    script = tmp_path / "completion"
    main(["--install-completion", "--shell", shell, "--output", str(script)])
    capsys.readouterr()
    text = script.read_text()
    for word in (*VERBS, "tuning.method", "attention-heads", "readout", "top-k"):
        assert word in text
    for built_in in ("convbert", "token-aware", "finetune", "prott5-xl-u50", "network"):
        assert built_in in text
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n", script], check=True)
