"""Items of a user's torch data set: (x, y) in any of the usual forms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image

from runtime.errors import InputError, ToolkitError

__all__ = ["Item", "read_item", "read_items", "unbatched"]

_INPUT_KEYS = ("x", "input", "inputs", "data", "image", "img", "pixel_values", "text", "features")
_TARGET_KEYS = ("y", "label", "labels", "target", "targets", "class")

# An input, as an array or a text, and its label as it was given.
Item: TypeAlias = tuple[Any, Any]


def read_item(items: Any, index: int, called: str) -> Item:
    """Item `index` of a data set named `called`. Raises InputError where it fails or has another form."""
    try:
        item = items[index]
    except ToolkitError:
        raise
    except Exception as error:  # a user's code, which may raise anything
        raise InputError(f"{called} failed on its item {index}: {type(error).__name__}: {error}.") from error
    return _parts(item, index, called)


def _parts(item: Any, index: int, called: str) -> Item:
    """(x, y) of one item, x as an array or a text."""
    if isinstance(item, Mapping):
        x_key = next((key for key in _INPUT_KEYS if key in item), None)
        y_key = next((key for key in _TARGET_KEYS if key in item), None)
        if x_key is None or y_key is None:
            what = "input" if x_key is None else "label"
            known = _INPUT_KEYS if x_key is None else _TARGET_KEYS
            raise InputError(
                f"{called}, item {index}: none of its keys {', '.join(map(str, item))} is known for the {what}; one of "
                f"{', '.join(known)} is expected."
            )
        return _plain(item[x_key], index, called), item[y_key]
    if not isinstance(item, tuple | list) or len(item) != 2:
        given = f"{len(item)} values" if isinstance(item, tuple | list) else f"a {type(item).__name__} without a label"
        raise InputError(f"{called}, item {index} is {given}; (x, y), an input with its label, is expected.")
    return _plain(item[0], index, called), item[1]


def _plain(x: Any, index: int, called: str) -> Any:
    if isinstance(x, str):
        return x
    if isinstance(x, Image.Image):
        return np.asarray(x if x.mode in ("L", "RGB") else x.convert("RGB"))
    if isinstance(x, torch.Tensor):
        return x.detach().cpu().numpy()
    try:
        array = np.asarray(x)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{called}, item {index}: its input is a {type(x).__name__}; a picture, an array, a tensor or a text is expected."
        )
    return array


def read_items(source: Iterable[Any], total: int | None, called: str, *, inputs: bool = True) -> list[Item]:
    """All items, with a progress bar where it takes long."""
    found: list[Item] = []
    try:
        for index, item in enumerate(_bar(source, total)):
            x, y = _parts(item, index, called)
            found.append((x if inputs else None, y))
    except ToolkitError:
        raise
    except Exception as error:  # a user's code, which may raise anything
        raise InputError(f"{called} failed on its item {len(found)}: {type(error).__name__}: {error}.") from error
    if not found:
        raise InputError(f"{called} is empty; at least one item is expected.")
    return found


def _bar(source: Iterable[Any], total: int | None) -> Iterator[Any]:
    if total is not None and total < 2000:
        yield from source
        return
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(source, "reading", total=total, console=console, transient=True, disable=not console.is_terminal)


def unbatched(loader: Iterable[Any]) -> Iterator[Any]:
    """Batches (x (B, ...), y (B, ...)) -> items."""
    for batch in loader:
        if isinstance(batch, Mapping):
            keys = list(batch)
            for values in zip(*batch.values(), strict=True):
                yield dict(zip(keys, values, strict=True))
        else:
            yield from zip(*batch, strict=True)
