"""Inputs that a command got no answer for, while it went on with the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from runtime.commands.printable import print_error
from runtime.errors import OutputError

if TYPE_CHECKING:
    from runtime.results import Failure

__all__ = ["fail_for"]


def fail_for(failures: Sequence[Failure], total: int) -> None:
    """Name the inputs that could not be read or answered, and exit with 2."""
    if failures:
        unanswered = sum(isinstance(failure.error, OutputError) for failure in failures)
        ways = ["could not be read"] * (unanswered < len(failures)) + ["got no answer"] * (unanswered > 0)
        print_error(f"Error: {len(failures)} of {total} inputs {' or '.join(ways)}:")
        for failure in failures:
            print_error(f"  {failure.error}")
        raise click.exceptions.Exit(2)
