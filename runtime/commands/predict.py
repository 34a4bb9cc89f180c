"""`toolkit predict`: files in, predictions as text, JSON or CSV out."""

from __future__ import annotations

import json
from pathlib import Path

import click

from runtime.commands.failures import fail_for
from runtime.commands.opening import open_model
from runtime.commands.options import device_option, flag, json_option, require_device_option
from runtime.commands.progress import progressing
from runtime.errors import InputError

__all__ = ["predict"]


@click.command()
@click.argument("model", type=click.Path())
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(), metavar="IMAGES|DIRS|TABLE.csv|LINES.txt|ARRAY.npy..."
)
@click.option("--top", type=click.IntRange(min=1), default=5, help="How many classes to list for each input.")
@flag("--csv", "as_csv", help="Print CSV instead of text.")
@click.option("--picture", type=click.Path(), default=None, help="Draw pictures with their predictions into this PNG.")
@json_option
@device_option
@require_device_option
def predict(
    model: str,
    paths: tuple[str, ...],
    top: int,
    as_csv: bool,
    picture: str | None,
    as_json: bool,
    device: str,
    require_device: bool,
) -> None:
    """Predict pictures, the rows of a table, texts (one a line), or sequences."""
    from runtime.prediction_picture import draw_predictions, predicted_pictures
    from runtime.results import Failure
    from runtime.results.formatting import prediction_rows, prediction_text

    if as_csv and as_json:
        raise InputError("--csv and --json were both given; choose one.")
    opened = open_model(model, device, require_device)
    items = opened.items(list(paths))
    pictures = None if picture is None else predicted_pictures(opened.card, items)
    results = list(progressing(opened.stream(items, on_error="keep"), len(items), "predicting"))
    failures = [result for result in results if isinstance(result, Failure)]
    drawn = 0
    if picture is not None and pictures is not None and len(failures) < len(results):
        drawn = draw_predictions(results, pictures, Path(picture))
    if as_json:
        good = [result.to_dict(top) for result in results if not isinstance(result, Failure)]
        facts = {
            "model": model,
            "device": opened.device.name,
            "predictions": good,
            "failures": [f.to_dict() for f in failures],
        }
        click.echo(json.dumps(facts, ensure_ascii=False))
    elif as_csv:
        click.echo(prediction_rows(results, top), nl=False)
    else:
        click.echo(prediction_text(results, top))
        if drawn:
            more = f" (the first {drawn} of {len(results):,})" if drawn < len(results) - len(failures) else ""
            click.echo(f"wrote {picture}{more}")
    fail_for(failures, len(results))
