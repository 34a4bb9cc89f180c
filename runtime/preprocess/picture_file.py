"""Picture files: which formats are read, and how a file is opened."""

from __future__ import annotations

import contextlib
import io
import os

from PIL import Image, UnidentifiedImageError

from runtime.regular_file import require_file

__all__ = ["FORMATS", "open_picture"]

_COMMON = ("PNG", "JPEG", "BMP", "GIF", "PPM")
_OTHERS = ("WEBP", "TIFF", "AVIF", "JPEG2000", "MPO", "DIB", "TGA", "ICO", "PCX")
"""Tried when none of the common ones fits: Pillow loads the modules of all its formats for them."""

_BY_NAME = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".gif": "GIF"}
"""Tried before the others where a file is called so: Pillow loads the module of that format alone."""

FORMATS = (*_COMMON, *_OTHERS)
"""Formats that are read. Pillow knows more, of which some start programs or read other files, as EPS does."""


def open_picture(source: str | os.PathLike[str] | bytes) -> Image.Image:
    """Open a path or encoded bytes; pixels are decoded when they are first asked for.

    Raises:
        InputError: there is no such file, or it is no regular one.
        PIL.UnidentifiedImageError: the content is in none of `FORMATS`.
        Exception: whatever Pillow stumbles on in a damaged file.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else require_file(source, expected="one picture")
    suffix = "" if isinstance(file, io.BytesIO) else file.suffix.lower()
    if suffix in _BY_NAME:
        with contextlib.suppress(UnidentifiedImageError):
            return Image.open(file, formats=(_BY_NAME[suffix],))
    Image.preinit()  # before formats are named: Pillow 13 loads all it has where one of them is not loaded yet
    with contextlib.suppress(UnidentifiedImageError):
        return Image.open(file, formats=_COMMON)
    Image.init()
    known = [name for name in _OTHERS if name in Image.OPEN]  # some builds of Pillow lack some
    return Image.open(file, formats=known)
