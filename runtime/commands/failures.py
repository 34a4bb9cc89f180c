"""Inputs that a command could not read, while it went on with the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runtime.results import Failure

__all__ = ["fail_for"]


def fail_for(failures: Sequence[Failure], total: int) -> None:
    """Name the inputs that could not be read, and exit with 2."""
    if failures:
        click.echo(f"Error: {len(failures)} of {total} inputs could not be read:", err=True)
        for failure in failures:
            click.echo(f"  {failure.error}", err=True)
        raise click.exceptions.Exit(2)
