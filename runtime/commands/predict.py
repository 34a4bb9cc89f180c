"""`toolkit predict`: files in, predictions as text, JSON or CSV out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runtime.commands.failures import fail_for
from runtime.commands.opening import open_model
from runtime.commands.options import device_option, flag, json_option, require_device_option
from runtime.commands.printable import print_error, print_json, print_lines, print_text
from runtime.commands.progress import progressing
from runtime.commands.told_warnings import told_warnings
from runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.card import ModelCard
    from runtime.results import Prediction

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
    if as_csv and as_json:
        raise InputError("--csv and --json were both given; choose one.")
    opened = open_model(model, device, require_device)
    # Behind the model, which brings NumPy from fewer calls deep: from here CPython 3.11 imports it 13 ms later, at the end of a
    # chunk of its stack of frames.
    from runtime.results import Failure
    from runtime.results.formatting import prediction_rows, prediction_text

    with told_warnings() as told:
        items = opened.items(list(paths))
    draw = None if picture is None else _drawing(opened.card, items, picture)
    results: list[Prediction] = []
    stopped = False
    try:
        for result in progressing(opened.stream(items, on_error="keep"), len(items), "predicting"):
            results.append(result)
    except KeyboardInterrupt:  # what was predicted until then is told
        stopped = True
    failures = [result for result in results if isinstance(result, Failure)]
    drawn = draw(results) if draw is not None and len(failures) < len(results) else 0
    if as_json:
        good = [result.to_dict(top) for result in results if not isinstance(result, Failure)]
        facts = {
            "model": model,
            "device": opened.device.name,
            "predictions": good,
            "failures": [f.to_dict() for f in failures],
            **({"warnings": told} if told else {}),
        }
        print_json(facts)
    elif as_csv:
        print_text(prediction_rows(results, top), newline=False)
    else:
        print_text(prediction_text(results, top))
        if drawn:
            more = f" (the first {drawn} of {len(results):,})" if drawn < len(results) - len(failures) else ""
            print_lines(f"wrote {picture}{more}")
    if stopped:
        print_error(f"{len(results)} of {len(items)} inputs were predicted.")
        raise KeyboardInterrupt
    fail_for(failures, len(results))


def _drawing(card: ModelCard | None, items: Any, target: str) -> Callable[[Sequence[Prediction]], int]:
    """What draws the results on the pictures among the items and says how many it drew; items that are none are refused now."""
    from pathlib import Path

    from runtime.prediction_picture import draw_predictions, predicted_pictures

    pictures = predicted_pictures(card, items)
    return lambda results: draw_predictions(results, pictures, Path(target))
