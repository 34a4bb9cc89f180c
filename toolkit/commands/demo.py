"""`toolkit demo`: the whole pipeline on bundled data."""

from __future__ import annotations

from pathlib import Path

import click

from runtime.commands.options import json_option
from runtime.commands.printable import print_told
from runtime.commands.progress import print_line
from runtime.commands.requirements import need

__all__ = ["demo"]


@click.command()
@click.option("-o", "--output", type=click.Path(), default="demo", help="Folder for everything that the demo makes.")
@click.option("--epochs", type=click.IntRange(min=1), default=40, help="Passes over the training part.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Of everything random.")
@json_option
def demo(output: str, epochs: int, seed: int, as_json: bool) -> None:
    """The whole road on real data in a minute: train, export, verify, predict, embed, search, report."""
    need("toolkit demo", "torch", "onnx", "onnxscript", "onnxsim", "torchmetrics", "matplotlib", "jinja2", "rich")
    from toolkit.demo.pipeline import run_demo

    result = run_demo(Path(output), epochs, seed, None if as_json else print_line)
    print_told(result.to_dict(), result.closing(), as_json)
