"""Picture files: which formats are read, and how a file is opened."""

from __future__ import annotations

import contextlib
import functools
import io
import os
from importlib.util import find_spec

from PIL import Image, UnidentifiedImageError

from runtime.regular_file import require_file

__all__ = ["FORMATS", "HEIF_SUFFIXES", "open_picture", "reads_heif"]

_COMMON = ("PNG", "JPEG", "BMP", "GIF", "PPM")
_OTHERS = ("WEBP", "TIFF", "AVIF", "JPEG2000", "MPO", "DIB", "TGA", "ICO", "PCX")
"""Tried when none of the common ones fits: Pillow loads the modules of all its formats for them."""

_BY_NAME = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".gif": "GIF"}
"""Tried before the others where a file is called so: Pillow loads the module of that format alone."""

FORMATS = (*_COMMON, *_OTHERS)
"""Formats that are read. Pillow knows more, of which some start programs or read other files, as EPS does."""


HEIF_SUFFIXES = frozenset((".heic", ".heif", ".hif"))
"""Pictures as phones save them; read where the package pillow-heif is installed."""


@functools.cache
def reads_heif() -> bool:
    """True where pillow-heif is installed."""
    return find_spec("pillow_heif") is not None


def open_picture(source: str | os.PathLike[str] | bytes) -> Image.Image:
    """Open a path or encoded bytes; pixels are decoded when they are first asked for.

    Raises:
        InputError: there is no such file, or it is no regular one.
        PIL.UnidentifiedImageError: the content is in none of `FORMATS`, nor HEIF where pillow-heif is installed.
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
    if reads_heif():
        from pillow_heif import register_heif_opener

        register_heif_opener()
        known.append("HEIF")
    return Image.open(file, formats=known)
