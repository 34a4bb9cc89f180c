"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["device_option", "embedding_option", "flag", "json_option", "require_device_option"]

F = TypeVar("F", bound=Callable[..., Any])


def flag(*names: str, help: str) -> Callable[[F], F]:
    """Boolean flag option whose help shows that it is off by default."""
    return click.option(*names, is_flag=True, default=False, help=f"{help}  [default: off]")


def embedding_option(*names: str, default: str = "the one that the card calls so") -> Callable[[F], F]:
    """Option for the model's output that is taken for the embedding, as `embedding`; `names` are further ones of the option."""
    return click.option(
        "--embedding",
        *names,
        "embedding",
        default=None,
        metavar="NAME",
        help=f"The model's output to take for the embedding.  [default: {default}]",
    )


json_option = flag("--json", "as_json", help="Print JSON instead of text.")
device_option = click.option("--device", default="auto", metavar="auto|cpu|cuda|cuda:N|tensorrt", help="Where to run.")
require_device_option = flag("--require-device", help="Fail rather than run on another device than --device.")
