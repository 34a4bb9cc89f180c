"""Predictions of pictures, drawn side by side with Pillow alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.atomic import atomic_path
from runtime.card import ModelCard, image_inputs
from runtime.drawing.grid import grid
from runtime.drawing.scaling import scaled_within
from runtime.errors import InputError
from runtime.preprocess import Picture, convert_image
from runtime.preprocess.named_inputs import NamedItems
from runtime.results import Failure, Prediction

__all__ = ["MOST_DRAWN", "draw_predictions", "predicted_pictures"]

MOST_DRAWN = 100
"""Pictures on one page; those behind are left out."""

_CELL, _COLUMNS = 224, 4
# Of a cell, below the picture: the lines that a result may write there.
_WRITING = 49


def predicted_pictures(card: ModelCard | None, items: Any) -> Sequence[Picture]:
    """Pictures among the items of `Model.items`, one per prediction.

    Raises:
        InputError: the items are no pictures, or are prepared already.
    """
    names = [entry.name for entry in image_inputs(card.inputs).values()] if card is not None else []
    values = items.values[names[0]] if isinstance(items, NamedItems) and names else items
    if not names or isinstance(values, np.ndarray):
        kinds = ", ".join(entry.kind for entry in card.inputs) if card is not None else "array"
        raise InputError(
            f"Predictions are drawn on pictures, and the inputs given are none (the model takes: {kinds}). Leave --picture out."
        )
    found: Sequence[Picture] = values
    return found


def draw_predictions(results: Sequence[Prediction], pictures: Sequence[Picture], target: Path) -> int:
    """Draw the first `MOST_DRAWN` pictures with their results into a PNG; inputs that could not be read are left out.

    Returns:
        How many were drawn.

    Raises:
        InputError: there is nothing to draw, or `target` cannot be written.
    """
    cells: list[tuple[Picture | None, str]] = []
    for number, (result, picture) in enumerate(zip(results, pictures, strict=False), start=1):
        if isinstance(result, Failure) or len(cells) == MOST_DRAWN:
            continue
        shown = result.draw(scaled_within(convert_image(picture), _CELL, _CELL - _WRITING))
        cells.append((shown, Path(result.source).name if result.source is not None else f"row {number}"))
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    page = grid(rows, highlight_first=False, cell=_CELL)
    with atomic_path(target) as temporary:
        page.save(temporary, format="PNG")
    return len(cells)
