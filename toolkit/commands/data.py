"""`toolkit data`: a group of commands that look at data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runtime.commands.options import json_option
from runtime.commands.printable import print_told
from runtime.commands.requirements import need
from runtime.commands.told_warnings import told_warnings
from toolkit.commands.json_text import parse_json

__all__ = ["data"]


@click.group()
def data() -> None:
    """Look at data before training on it."""


@data.command("show")
@click.argument("path", type=click.Path())
@click.option("-o", "--output", type=click.Path(), default="data.png", help="The picture to draw.")
@click.option(
    "--augment", default=None, metavar="JSON", help="Show these transforms, such as '{\"RandomRotation\": 15}'."
)
@click.option("--color", type=click.Choice(["RGB", "grayscale"]), default="RGB", help="Of the pictures.")
@click.option("--size", type=int, nargs=2, default=None, metavar="H W", help="Bring pictures to this size.")
@click.option("--rows", type=click.IntRange(1, 20), default=6, help="How many pictures.")
@click.option("--columns", type=click.IntRange(1, 20), default=8, help="How many versions of each.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Of what is chosen and of the transforms.")
@json_option
def data_show(path: str, output: str, as_json: bool, **options: Any) -> None:
    """Draw a sheet of samples, with --augment as the training will see them, and tell what there is."""
    need("toolkit data show", "torch", "torchvision", "matplotlib")
    from toolkit.data.inspection.show import show_data

    options["augment"] = parse_json("--augment", options["augment"])
    with told_warnings() as told:
        facts, text = show_data(Path(path), Path(output), **options)
    facts |= {"warnings": told} if told else {}
    print_told(facts, text, as_json)
