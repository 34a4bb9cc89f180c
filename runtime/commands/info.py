"""`toolkit info`: description of a file by the runtime, extended by the packages above it.

The runtime does not import those packages: the command line names their functions as texts in click's context object,
to be imported when needed. Alone, the command prints the runtime's own description.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from runtime.commands.options import json_option
from runtime.commands.printable import print_told
from runtime.commands.requirements import need
from runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["info"]

Told: TypeAlias = tuple[dict[str, Any], str]  # facts for JSON, text


@click.command()
@click.argument("file", type=click.Path())
@click.option(
    "--picture",
    default=None,
    type=click.Path(),
    metavar="FILE.svg|FILE.png",
    help="Draw the network, a large one by its modules.  [default: no]",
)
@json_option
def info(file: str, picture: str | None, as_json: bool) -> None:
    """What an ONNX file or a checkpoint says of itself, what it holds and costs, and what is odd about it."""
    path, drawing = Path(file), None if picture is None else Path(picture)
    if drawing is not None:
        need("toolkit info --picture", "onnx", "matplotlib")
        if drawing.resolve() == path.resolve():
            raise InputError(f"--picture {picture} is the file itself; the picture would take its place. Name another.")
    told = _checkpoint(path, drawing) if path.suffix in (".pth", ".pt") else _model(path, drawing)
    facts, text = told
    print_told(facts, text, as_json)


def _checkpoint(path: Path, drawing: Path | None) -> Told:
    if not _is_above("describe_checkpoint"):
        raise InputError(f"{path} is a checkpoint; an ONNX file is expected where no training is. Export it first.")
    need("toolkit info on a checkpoint", "torch")
    told: Told = _from_above("describe_checkpoint")(path, drawing)
    return told


def _model(path: Path, drawing: Path | None) -> Told:
    from runtime.session.describe import describe_file

    if drawing is not None and not _is_above("add_inspection"):
        raise InputError(f"--picture {drawing} was given, but nothing here draws. Leave it out, or use `toolkit info`.")
    facts, text = describe_file(path)
    if path.suffix == ".ort":
        text += "\nOf the ORT format no more can be told; look at the .onnx file that it was made of."
    elif find_spec("onnx") is None:
        text += "\nOperators, weights, multiply-adds and targets are told with: pip install 'onnx-edge-toolkit[train]'"
    elif _is_above("add_inspection"):
        told: Told = _from_above("add_inspection")(path, facts, text, drawing)
        return told
    return facts, text


def _is_above(name: str) -> bool:
    return name in (click.get_current_context().obj or {})


def _from_above(name: str) -> Callable[..., Any]:
    """Import the function that click's context object holds under `name` as "module:function"."""
    module, _, function = click.get_current_context().obj[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
