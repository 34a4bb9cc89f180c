"""`toolkit check`: compare two networks, or check an ONNX file against a target; exits with 1 on failure."""

from __future__ import annotations

from typing import Any

import click

from runtime.commands.options import flag, json_option
from runtime.commands.printable import print_told
from runtime.commands.requirements import need

__all__ = ["check"]


@click.command()
@click.argument("first", type=click.Path())
@click.argument("second", type=click.Path(), required=False)
@click.option(
    "--data", type=click.Path(), help="Real inputs to run as well, read as the card says.  [default: samples]"
)
@flag("--layers", help="Find the first layer where they part.")
@click.option("--atol", type=float, help="Absolute difference allowed.  [default: 1e-5, or what the export allowed]")
@click.option("--rtol", type=float, help="The same, times the output's greatest number.  [default: as --atol]")
@click.option(
    "--min-agreement",
    type=float,
    metavar="SHARE",
    help="Share of inputs that must get the same label, such as 0.99; by itself it alone decides.  [default: none]",
)
@click.option("--outputs", metavar="NAMES", help="Compare these only, comma-separated.  [default: all]")
@click.option("--target", help="Also: would this runtime or board open the file?  [default: not asked]")
@click.option("--arch", help="For a plain state_dict: torchvision:NAME, timm:NAME, FILE.py:NAME.  [default: none]")
@click.option("--arch-args", metavar="JSON", help="What the architecture is made with.  [default: nothing]")
@click.option("--input-size", metavar="C,H,W", help="For networks without samples.  [default: the network's own]")
@flag("--trust", help="Open a pickled module, which may run any code.")
@json_option
def check(first: str, second: str | None, as_json: bool, **options: Any) -> None:
    """Compare any two: ONNX file, checkpoint, weights, program. Exits with 1 where they differ.

    Or hold one ONNX file against a --target.
    """
    if second is None:
        need("toolkit check", "onnx")
    else:
        need("toolkit check", "torch", "onnx", "onnxscript")
    from exporters.commands.check_from_options import run_check

    facts, text, failure = run_check(first, second, options)
    print_told(facts, text, as_json)
    if failure is not None:
        raise failure
