"""Every command explains itself, and every public name exists."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import exporters
import model_zoo
import runtime
import toolkit
from cli import main

PACKAGES = (runtime, toolkit, exporters, model_zoo)
COMMANDS = {name: main.get_command(click.Context(main), name) for name in main.list_commands(click.Context(main))}


def modules() -> Iterator[str]:
    for package in PACKAGES:
        yield package.__name__
        yield from (found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."))


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(main, [*arguments, "--help"], terminal_width=200)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def test_help_lists_every_command_with_a_line() -> None:
    text = shown()
    assert len(COMMANDS) >= 12
    for name, command in COMMANDS.items():
        line = next(line for line in text.splitlines() if line.startswith(f"  {name} "))
        assert line.split(maxsplit=1)[1][:30] == command.get_short_help_str(200)[:30]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_lists_every_option_with_what_it_does(name: str) -> None:
    text = shown(name)
    command = COMMANDS[name]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.name} has no help"
            assert all(option in text for option in parameter.opts)
            assert " ".join(parameter.help.split())[:25] in " ".join(text.split())
        else:
            assert (parameter.metavar or parameter.name.upper()) in text
    assert shown_by_h(name) == text


def shown_by_h(name: str) -> str:
    return CliRunner().invoke(main, [name, "-h"], terminal_width=200).stdout


def test_the_module_is_the_command() -> None:
    installed = Path(sys.executable).with_name("toolkit")
    first = subprocess.run([installed, "--help"], capture_output=True, text=True, check=True)
    assert first.stdout.startswith("Usage: toolkit [OPTIONS] COMMAND [ARGS]...")
    second = subprocess.run([sys.executable, "-m", "cli", "--help"], capture_output=True, text=True, check=True)
    assert second.stdout.splitlines()[1:] == first.stdout.splitlines()[1:]


@pytest.mark.parametrize("name", list(modules()))
def test_every_exported_name_exists_and_is_listed_once(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert sorted(set(exported)) == sorted(exported)
    assert [entry for entry in exported if not hasattr(module, entry)] == []
    assert module.__doc__


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_a_package_lists_what_it_exports_and_is_typed(package: object) -> None:
    assert package.__all__
    assert set(package.__all__) <= set(dir(package)) | set(package.__all__)
    with pytest.raises(AttributeError):
        package.no_such_name  # noqa: B018
    assert (Path(package.__file__).parent / "py.typed").exists()
