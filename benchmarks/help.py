"""What the command line costs before it does anything: `--help` against that of an empty click program, in processor time."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from interleaved import Result, interleave

import cli

EMPTY = '''
import click


@click.group()
def main():
    """Do nothing."""


@main.command()
def nothing():
    """Do nothing."""
'''


def run(rounds: int = 40) -> Result:
    """Seconds of the processor, user and system, of whole processes; ratios to the empty program."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "empty.py").write_text(EMPTY)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([place, str(Path(cli.__file__).parent)]),
            # An installed package is compiled once; where Python may not keep its bytecode, it would be compiled every time.
            "PYTHONPYCACHEPREFIX": str(Path(place, "bytecode")),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def start(module: str, *arguments: str) -> None:
            program = f"import {module}; {module}.main(prog_name='toolkit')"
            command = [sys.executable, "-c", program, *arguments, "--help"]
            subprocess.run(command, check=True, capture_output=True, env=environment)

        programs = {
            "empty click program": lambda: start("empty"),
            "toolkit --help": lambda: start("cli"),
            "toolkit predict --help": lambda: start("cli", "predict"),
        }
        return interleave(programs, rounds, warm_up=2, clock=_processor_seconds)


def _processor_seconds() -> float:
    """What all child processes have used that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
