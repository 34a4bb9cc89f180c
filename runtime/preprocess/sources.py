"""Input sources of `predict` and `embed`: picture files and folders, in natural order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from runtime.errors import InputError
from runtime.preprocess.picture_file import HEIF_SUFFIXES, reads_heif
from runtime.preprocess.unread import unread, warn_unread

__all__ = ["IMAGE_SUFFIXES", "find_images", "holds_image", "images_in", "natural_key", "text_files"]

IMAGE_SUFFIXES = frozenset(
    (
        *(
            ".png",
            ".jpg",
            ".jpeg",
            ".jfif",
            ".jpe",
            ".bmp",
            ".dib",
            ".gif",
            ".webp",
            ".tif",
            ".tiff",
            ".ppm",
            ".pgm",
            ".pbm",
            ".pnm",
        ),
        *(".avif", ".jp2", ".j2k", ".mpo", ".tga"),
    )
)


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key under which ``img2.png`` comes before ``img10.png``."""
    parts = re.split(r"(\d+)", str(path))
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def images_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Picture files below a folder, by suffix, in natural order; hidden files and folders are left out."""
    return sorted(_images_below(folder), key=natural_key)


def holds_image(folder: str | os.PathLike[str]) -> bool:
    """True if there is a picture file below a folder, as `images_in` finds them."""
    return any(True for _ in _images_below(folder))


def _images_below(folder: str | os.PathLike[str]) -> Iterator[Path]:
    suffixes = IMAGE_SUFFIXES | HEIF_SUFFIXES if reads_heif() else IMAGE_SUFFIXES
    for directory, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes:
                yield Path(directory, name)


def find_images(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Expand paths: files as they are, folders as the pictures below them.

    Warns with `UnreadWarning` of what else lies in a folder.

    Raises:
        InputError: a path does not exist, or a folder holds no picture.
    """
    found: list[Path] = []
    for given in paths:
        if not os.fspath(given):
            raise InputError("An empty path was given; the path of a picture or a folder is expected.")
        path = Path(given)
        if os.path.isdir(path):  # which says no, and does not raise, of a name that is too long
            inside = images_in(path)
            if not inside:
                suffixes = " ".join(sorted(IMAGE_SUFFIXES))
                more = unread(path, ())
                raise InputError(
                    f"The folder {path} holds no picture; files ending in {suffixes} are looked for.{more and ' ' + more}"
                )
            warn_unread(path, inside)
            found += inside
        elif os.path.exists(path):
            found.append(path)
        else:
            raise InputError(f"{path} does not exist. Check the path; it is looked up from {Path.cwd()}.")
    return found


def text_files(folder: str | os.PathLike[str]) -> list[Path]:
    """The ``.txt`` files of a folder, in the order of their names."""
    place = Path(folder)
    if not place.is_dir():
        return []
    files = (path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
    return sorted((path for path in files if path.suffix.lower() == ".txt"), key=natural_key)
