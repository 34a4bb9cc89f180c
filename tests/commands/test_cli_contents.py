"""The command line is a table of contents: groups and lines without the commands' modules, which come when they are called."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import cli
from runtime.errors import CheckFailed, InputError, ToolkitError

LINES = {name: line for entries in cli.CONTENTS.values() for name, (_, line) in entries.items()}
MODULES = {name: module for entries in cli.CONTENTS.values() for name, (module, _) in entries.items()}
# What is loaded once a program has run: the modules of commands, and packages.
LOADED = """
import json, sys
import cli
try:
    cli.main(json.loads(sys.argv[1]), prog_name="toolkit")
except SystemExit as ended:
    assert ended.code == 0
print("loaded", *sorted(name for name in sys.modules if ".commands" in name))
"""


def loaded(*arguments: str) -> set[str]:
    """The modules of commands, or what they share, that a process has after `toolkit ARGUMENTS`."""
    command = [sys.executable, "-c", LOADED, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_imports_no_command() -> None:
    assert loaded("--help") == set()
    assert loaded("--version") == set()


@pytest.mark.parametrize(("name", "module"), MODULES.items(), ids=MODULES)
def test_a_commands_own_help_imports_that_command_alone(name: str, module: str) -> None:
    assert loaded(name, "--help") & set(MODULES.values()) == {module}


@pytest.mark.parametrize("name", LINES)
def test_the_line_of_a_command_is_the_beginning_of_its_own_help(name: str) -> None:
    command = cli.main.get_command(click.Context(cli.main), name)
    assert command.name == name
    assert LINES[name] == command.get_short_help_str(1000)


def test_every_command_is_in_the_table_once_and_on_a_floor_of_its_own() -> None:
    root = Path(cli.__file__).parent
    files = {
        f"{path.parts[-3]}.commands.{path.stem}"
        for path in root.glob("*/commands/*.py")
        if path.parts[-3] in ("runtime", "toolkit", "exporters")
        and "@click.command()" in path.read_text(encoding="utf-8")
    }
    assert files | {"toolkit.commands.data"} == set(MODULES.values())  # that one is a group
    assert len(MODULES) == sum(map(len, cli.CONTENTS.values()))


def test_the_table_of_contents_stays_short() -> None:
    assert len(inspect.getsource(cli).splitlines()) <= 150


def shown(**settings: int) -> list[str]:
    done = CliRunner().invoke(cli.main, ["--help"], **settings)
    assert done.exit_code == 0
    return done.stdout.splitlines()


def test_help_shows_the_groups_with_their_commands_in_order() -> None:
    lines = shown()
    start = lines.index("Train:")
    expected = []
    for heading, entries in cli.CONTENTS.items():
        expected += ["", f"{heading}:", *entries]
    assert ["".join(line.split()[:1]) for line in lines[start - 1 :]] == expected
    assert "Commands:" not in lines
    columns = {line.index(LINES[line.split()[0]][:20]) for line in lines[start:] if line.startswith("  ")}
    assert len(columns) == 1  # one column through all groups


@pytest.mark.parametrize("width", [40, 80, 300])
def test_a_line_is_shortened_to_the_width_of_the_terminal(width: int) -> None:
    lines = shown(terminal_width=width, max_content_width=width)
    assert max(map(len, lines[lines.index("Train:") :])) <= width
    if width == 300:
        assert all(any(line.endswith(text) for line in lines) for text in LINES.values())


def test_a_group_without_commands_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.CONTENTS, "Empty", {})
    assert "Empty:" not in shown()


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    done = CliRunner().invoke(cli.main, ["predikt"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Error: No such command 'predikt'. Did you mean 'predict'?" in done.stderr


@pytest.mark.parametrize(("error", "code"), [(InputError("wrong."), 2), (CheckFailed("differs."), 1)])
def test_an_error_of_the_toolkit_becomes_a_paragraph_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, error: ToolkitError, code: int
) -> None:
    def fail() -> None:
        raise error

    failing = click.Command("doctor", callback=fail)
    monkeypatch.setattr("runtime.commands.doctor.doctor", failing)
    done = CliRunner().invoke(cli.main, ["doctor"])
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", f"Error: {error}\n")


def test_what_is_named_for_the_lowest_floor_exists() -> None:
    for place in cli.ABOVE.values():
        module, _, name = place.partition(":")
        assert callable(getattr(__import__(module, fromlist=[name]), name))
