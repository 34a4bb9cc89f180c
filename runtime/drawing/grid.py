"""Grid of pictures with captions, drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from runtime.drawing.caption import fitted
from runtime.drawing.scaling import scaled_within
from runtime.errors import InputError
from runtime.preprocess import Picture, convert_image

__all__ = ["grid"]

_CELL, _GAP, _CAPTION = 128, 12, 34
_INK, _PAPER, _FRAME = "#222222", "#ffffff", "#3b6fb6"


def grid(
    rows: Sequence[Sequence[tuple[Picture | None, str]]], *, highlight_first: bool = True, cell: int = _CELL
) -> Image.Image:
    """Draw rows of (picture, caption) as one picture. A picture that cannot be opened leaves its cell empty.

    `highlight_first` frames the first picture of every row: the query before its neighbours. `cell` is the length of a cell's
    sides in pixels.

    Raises:
        InputError: there is nothing to draw.
    """
    columns = max(map(len, rows), default=0)
    if columns == 0:
        raise InputError("There are no pictures to draw.")
    width = _GAP + columns * (cell + _GAP)
    height = _GAP + len(rows) * (cell + _CAPTION + _GAP)
    page = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(12)
    for row, cells in enumerate(rows):
        top = _GAP + row * (cell + _CAPTION + _GAP)
        for column, (picture, caption) in enumerate(cells):
            left = _GAP + column * (cell + _GAP)
            tile = _tile(picture, cell)
            page.paste(tile, (left + (cell - tile.width) // 2, top + (cell - tile.height) // 2))
            if column == 0 and highlight_first:
                pen.rectangle((left - 3, top - 3, left + cell + 2, top + cell + 2), outline=_FRAME, width=3)
            for line, text in enumerate(caption.splitlines()[:2]):
                pen.text(
                    (left + cell / 2, top + cell + 4 + 15 * line),
                    fitted(text, cell + _GAP - 2, pen, font),
                    _INK,
                    font,
                    anchor="ma",
                )
    return page


def _tile(picture: Picture | None, cell: int) -> Image.Image:
    if picture is None:
        return Image.new("RGB", (cell, cell), "#eeeeee")
    try:
        image = convert_image(picture)
    except InputError:
        return Image.new("RGB", (cell, cell), "#eeeeee")
    return scaled_within(image, cell, cell)
