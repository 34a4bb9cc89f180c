"""What lies in a folder of pictures and is not read: files of other kinds, folders without pictures, linked folders."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from runtime.errors import ToolkitWarning
from runtime.preprocess.picture_file import HEIF_SUFFIXES, reads_heif

__all__ = ["UnreadWarning", "unread", "warn_unread"]

_SHOWN = 5  # names and suffixes that are listed
_OF_THE_SYSTEM = frozenset(("thumbs.db", "desktop.ini"))


class UnreadWarning(ToolkitWarning):
    """Warning: something in a folder of pictures was not read."""


def warn_unread(
    folder: str | os.PathLike[str], read: Iterable[Path], apart: Iterable[Path] = (), what: str = "picture"
) -> None:
    """Warn with `UnreadWarning` of what `unread` tells, where there is anything."""
    told = unread(folder, read, apart, what)
    if told:
        warnings.warn(told, UnreadWarning, stacklevel=3)


def unread(
    folder: str | os.PathLike[str], read: Iterable[Path], apart: Iterable[Path] = (), what: str = "picture"
) -> str:
    """One line with counts of what lies below a folder and was not read; empty where all was. Hidden files do not count.

    Args:
        folder: the folder.
        read: files below it that are read, by paths that begin with the folder's.
        apart: folders in it that are not looked into.
        what: is read, for messages.
    """
    files = {str(path) for path in read}
    passed_over = {str(path) for path in apart}
    holding = {
        str(parent)
        for path in {os.path.dirname(path) for path in files}
        for parent in (Path(path), *Path(path).parents)
    }
    suffixes: Counter[str] = Counter()
    bare: list[str] = []
    linked: list[str] = []
    for directory, subfolders, names in os.walk(folder):
        for name in names:
            path = os.path.join(directory, name)
            if not name.startswith(".") and name.lower() not in _OF_THE_SYSTEM and str(Path(path)) not in files:
                suffixes[os.path.splitext(name)[1].lower() or "without a suffix"] += 1
        within = sorted((name, str(Path(directory, name))) for name in subfolders if not name.startswith("."))
        for _, path in within:
            shown = os.path.relpath(path, folder)
            if path in passed_over or path in holding:
                continue
            if os.path.islink(path):
                linked.append(shown)
            elif os.path.dirname(path) in holding or Path(directory) == Path(folder):
                bare.append(shown)
        subfolders[:] = [name for name, path in within if path not in passed_over]
    parts = []
    if suffixes:
        counts = [f"{count:,} {suffix}" for suffix, count in suffixes.most_common()]
        parts.append(f"{_number(suffixes.total(), 'file')} ({_listed(counts)})")
    if bare:
        parts.append(f"{_number(len(bare), 'folder')} without a {what} ({_listed(bare)})")
    if linked:
        parts.append(f"{_number(len(linked), 'linked folder')} ({_listed(linked)})")
    if not parts:
        return ""
    hint = "" if reads_heif() or not HEIF_SUFFIXES & set(suffixes) else " HEIC is read with: pip install pillow-heif."
    return f"Not read in {folder}: {'; '.join(parts)}.{hint}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" + "s" * (count > 1)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + ", ..." * (len(names) > _SHOWN)
