"""`toolkit search`: the neighbours of pictures in an index, as text, JSON or a drawing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtime.commands.failures import fail_for
from runtime.commands.opening import open_model
from runtime.commands.options import device_option, embedding_option, json_option, require_device_option
from runtime.commands.printable import print_json, print_lines, print_text
from runtime.commands.told_warnings import told_warnings
from runtime.errors import InputError

if TYPE_CHECKING:
    from runtime.results import Failure

__all__ = ["search"]


@click.command()
@click.argument("index", type=click.Path())
@click.argument("queries", nargs=-1, required=True, type=click.Path(), metavar="PICTURE...")
@click.option("-k", "count", type=click.IntRange(min=1), default=5, help="How many neighbours.")
@click.option(
    "--where", multiple=True, metavar="FIELD=VALUE", help="Only among these, such as folder=7; may be repeated."
)
@click.option("--picture", type=click.Path(), default=None, help="Draw queries and neighbours into this PNG.")
@click.option("--model", type=click.Path(), default=None, help="The model.  [default: the one that made the index]")
@embedding_option("--output", default="the one of the index")
@json_option
@device_option
@require_device_option
def search(
    index: str,
    queries: tuple[str, ...],
    count: int,
    where: tuple[str, ...],
    picture: str | None,
    model: str | None,
    embedding: str | None,
    as_json: bool,
    device: str,
    require_device: bool,
) -> None:
    """Find the pictures of an index that are most like a picture."""
    from runtime.picture_index import draw_neighbours, neighbour_text, open_picture_index, search_pictures
    from runtime.preprocess.sources import find_images

    with told_warnings() as told, open_picture_index(Path(index)) as opened_index:
        path = model or opened_index.attributes.get("model")
        if path is None:
            raise InputError(f"The index {index} does not say which model made it. Name it with --model.")
        opened = open_model(str(path), device, require_device)
        pictures = find_images(queries)
        failures: list[Failure] = []
        found = search_pictures(
            opened, opened_index, pictures, count, where, output=embedding, on_failure=failures.append
        )
    if picture is not None and found:
        draw_neighbours(found, Path(picture))
    if as_json:
        more = {"warnings": told} if told else {}
        print_json([{**entry.to_dict(), **more} for entry in found])
    elif found:
        print_text(neighbour_text(found))
        if picture is not None:
            print_lines(f"wrote {picture}")
    fail_for(failures, len(pictures))
