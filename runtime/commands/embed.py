"""`toolkit embed`: pictures in, an index of their embeddings out."""

from __future__ import annotations

from pathlib import Path

import click

from runtime.commands.failures import fail_for
from runtime.commands.opening import open_model
from runtime.commands.options import device_option, embedding_option, json_option, require_device_option
from runtime.commands.printable import print_error, print_json, print_lines
from runtime.commands.progress import progress_bar
from runtime.commands.told_warnings import told_warnings

__all__ = ["embed"]


@click.command()
@click.argument("model", type=click.Path())
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="IMAGES|DIRS...")
@click.option(
    "-o", "--output", type=click.Path(), required=True, help="Folder of the index; an existing one is added to."
)
@click.option(
    "--metric",
    type=click.Choice(["cosine", "dot", "euclidean"]),
    default=None,
    help="How closeness is measured.  [default: cosine, or as the index was made]",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16"]),
    default=None,
    help="How vectors are stored.  [default: float32, or as the index was made]",
)
@embedding_option()
@json_option
@device_option
@require_device_option
def embed(
    model: str,
    paths: tuple[str, ...],
    output: str,
    metric: str | None,
    dtype: str | None,
    embedding: str | None,
    as_json: bool,
    device: str,
    require_device: bool,
) -> None:
    """Embed pictures into an index for `toolkit search`."""
    from runtime.picture_index import embed_pictures
    from runtime.preprocess.sources import find_images

    opened = open_model(model, device, require_device)
    with told_warnings() as unread:
        pictures = find_images(paths)
    with told_warnings() as told, progress_bar(len(pictures), "embedding") as bar:
        try:
            result = embed_pictures(
                opened,
                pictures,
                Path(output),
                metric=metric,
                dtype=dtype,
                roots=list(map(Path, paths)),
                output=embedding,
                advance=bar.update,
            )
        except KeyboardInterrupt:
            print_error(f"What was embedded until now is in {output}; the same command goes on with the whole.")
            raise
    if as_json:
        more = {"warnings": unread + told} if unread or told else {}
        print_json({**result.to_dict(), **more})
    else:
        print_lines(
            f"{result.added} pictures embedded into {output}: {result.total} vectors of {result.dim} numbers, {result.metric}"
        )
        if result.total:
            print_lines(f"next: toolkit search {output} PICTURE --picture neighbours.png")
    fail_for(result.failures, len(pictures))
