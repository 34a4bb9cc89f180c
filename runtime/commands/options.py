"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["device_option", "flag", "json_option", "require_device_option"]

F = TypeVar("F", bound=Callable[..., Any])


def flag(*names: str, help: str) -> Callable[[F], F]:
    """Boolean flag option whose help shows that it is off by default."""
    return click.option(*names, is_flag=True, default=False, help=f"{help}  [default: off]")


json_option = flag("--json", "as_json", help="Print JSON instead of text.")
device_option = click.option("--device", default="auto", metavar="auto|cpu|cuda|cuda:N|tensorrt", help="Where to run.")
require_device_option = flag("--require-device", help="Fail rather than run on another device than --device.")
