"""Captions of pictures, drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from runtime.console import one_line

__all__ = ["captioned", "fitted"]

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

_INK, _PAPER = "#222222", "#ffffff"
_LINE, _MARGIN, _SIZE = 15, 4, 12


def captioned(picture: Image.Image, lines: Sequence[str]) -> Image.Image:
    """A new RGB picture: `picture` with lines of text below it, each shortened to its width."""
    page = Image.new("RGB", (picture.width, picture.height + _MARGIN + _LINE * len(lines)), _PAPER)
    page.paste(picture.convert("RGB"))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_SIZE)
    for number, text in enumerate(lines):
        place = (picture.width / 2, picture.height + _MARGIN + _LINE * number)
        pen.text(place, fitted(" ".join(text.split()), picture.width, pen, font), _INK, font, anchor="ma")
    return page


def fitted(text: str, width: int, pen: ImageDraw.ImageDraw, font: Font) -> str:
    """Shorten one line of text in the middle to a width in pixels."""
    shown = text = one_line(text)
    while pen.textlength(shown, font) > width and len(text) > 4:
        text = text[: len(text) // 2 - 1] + text[len(text) // 2 + 1 :]
        shown = text[: len(text) // 2] + "…" + text[len(text) // 2 :]
    return shown
