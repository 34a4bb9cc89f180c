"""Grid of pictures with captions, drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from runtime.errors import InputError
from runtime.preprocess import Picture, convert_image

__all__ = ["grid"]

_CELL, _GAP, _CAPTION = 128, 12, 34
_INK, _PAPER, _FRAME = "#222222", "#ffffff", "#3b6fb6"


def grid(rows: Sequence[Sequence[tuple[Picture | None, str]]], *, highlight_first: bool = True) -> Image.Image:
    """Draw rows of (picture, caption) as one picture. A picture that cannot be opened leaves its cell empty.

    `highlight_first` frames the first picture of every row: the query before its neighbours.

    Raises:
        InputError: there is nothing to draw.
    """
    columns = max(map(len, rows), default=0)
    if columns == 0:
        raise InputError("There are no pictures to draw.")
    width = _GAP + columns * (_CELL + _GAP)
    height = _GAP + len(rows) * (_CELL + _CAPTION + _GAP)
    page = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(12)
    for row, cells in enumerate(rows):
        top = _GAP + row * (_CELL + _CAPTION + _GAP)
        for column, (picture, caption) in enumerate(cells):
            left = _GAP + column * (_CELL + _GAP)
            tile = _tile(picture)
            page.paste(tile, (left + (_CELL - tile.width) // 2, top + (_CELL - tile.height) // 2))
            if column == 0 and highlight_first:
                pen.rectangle((left - 3, top - 3, left + _CELL + 2, top + _CELL + 2), outline=_FRAME, width=3)
            for line, text in enumerate(caption.splitlines()[:2]):
                pen.text(
                    (left + _CELL / 2, top + _CELL + 4 + 15 * line), _fit(text, pen, font), _INK, font, anchor="ma"
                )
    return page


def _tile(picture: Picture | None) -> Image.Image:
    if picture is None:
        return Image.new("RGB", (_CELL, _CELL), "#eeeeee")
    try:
        image = convert_image(picture)
    except InputError:
        return Image.new("RGB", (_CELL, _CELL), "#eeeeee")
    scale = min(_CELL / image.width, _CELL / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # small pictures keep their pixels visible
    return image.resize(size, Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS)


def _fit(text: str, pen: ImageDraw.ImageDraw, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """Shorten a caption in the middle to the width of a cell."""
    shown = text
    while pen.textlength(shown, font) > _CELL + _GAP - 2 and len(text) > 4:
        text = text[: len(text) // 2 - 1] + text[len(text) // 2 + 1 :]
        shown = text[: len(text) // 2] + "…" + text[len(text) // 2 :]
    return shown
