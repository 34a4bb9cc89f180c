"""`toolkit predict`: files in, predictions as text, JSON or CSV out."""

from __future__ import annotations

import json

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
@json_option
@device_option
@require_device_option
def predict(
    model: str, paths: tuple[str, ...], top: int, as_csv: bool, as_json: bool, device: str, require_device: bool
) -> None:
    """Predict pictures, the rows of a table, texts (one a line), or sequences."""
    from runtime.results import Failure
    from runtime.results.formatting import prediction_rows, prediction_text

    if as_csv and as_json:
        raise InputError("--csv and --json were both given; choose one.")
    opened = open_model(model, device, require_device)
    items = opened.items(list(paths))
    results = list(progressing(opened.stream(items, on_error="keep"), len(items), "predicting"))
    failures = [result for result in results if isinstance(result, Failure)]
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
    fail_for(failures, len(results))
