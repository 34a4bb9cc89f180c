"""`toolkit similarity`: compare two pictures by every measure."""

from __future__ import annotations

import math

import click

from runtime.commands.opening import open_model
from runtime.commands.options import device_option, embedding_option, json_option, require_device_option
from runtime.commands.printable import print_json, print_text
from runtime.commands.told_warnings import told_warnings
from runtime.errors import InputError

__all__ = ["similarity"]


@click.command()
@click.argument("first", type=click.Path())
@click.argument("second", type=click.Path())
@click.option("--model", type=click.Path(), required=True, help="The model whose embeddings are compared.")
@embedding_option("--output")
@json_option
@device_option
@require_device_option
def similarity(
    first: str, second: str, model: str, embedding: str | None, as_json: bool, device: str, require_device: bool
) -> None:
    """How alike two pictures are, by every measure."""
    from runtime.console import table
    from runtime.picture_index import takes_pictures
    from runtime.preprocess.sources import find_images
    from runtime.similarity import DISTANCES, MEASURES, similarity_rows

    with told_warnings() as told:
        pictures = find_images([first, second])
    if len(pictures) != 2:
        raise InputError(f"{first} and {second} hold {len(pictures)} pictures; two are compared. Name one file each.")
    opened = open_model(model, device, require_device)
    takes_pictures(opened)
    a, b = opened.embed(pictures, output=embedding)
    values: dict[str, float | None] = {}
    for measure in MEASURES:
        try:
            value = float(similarity_rows(a, b, measure))
            values[measure] = value if math.isfinite(value) else None
        except InputError:  # an angle to a zero vector is not defined
            values[measure] = None
    if as_json:
        print_json({"first": first, "second": second, **values, **({"warnings": told} if told else {})})
        return
    rows = [
        (
            measure,
            "undefined" if value is None else f"{value:.6f}",
            "distance: 0 is the same" if measure in DISTANCES else "higher is closer",
        )
        for measure, value in values.items()
    ]
    print_text(table(("measure", "value", ""), rows, right=(1,)))
