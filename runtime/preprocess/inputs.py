"""Input parsing of `predict`, `embed` and training, by the kind of input on the card."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card import ArrayInput, ImageInput, InputCard, SequenceInput, TableInput, TextInput
from runtime.errors import InputError
from runtime.preprocess import (
    normalize,
    prepare_image,
    prepare_sequences,
    prepare_table,
    prepare_text,
    read_arrays,
    read_lines,
    read_table,
    split_steps,
    table_rows,
)
from runtime.preprocess.sources import find_images

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["parse_inputs", "prepare", "prepare_items"]

_TEXT_SUFFIXES = (".txt", ".csv", ".tsv")


def parse_inputs(data: Any, card: InputCard) -> tuple[Any, bool]:
    """Normalise user input. Returns (list of pictures, texts or sequences, or prepared rows (N, ...); is_single).

    - Pictures: a path, a folder (the pictures below it), a Pillow image, encoded bytes, a uint8 array (H, W), (H, W, C)
      or (C, H, W), a uint8 batch of these, or a list of any. They go through the card's pre-processing.
    - Tables: a CSV path with the card's columns, a row of numbers, or rows (N, columns). They are raw: scaled here.
    - Texts: a text, a list of texts, or a file: ``.txt`` with one text per line, ``.csv`` or ``.tsv`` with the card's column.
      A string that ends in one of these is a file's name; within a list every string is a text.
    - Sequences: an array (L, features), a list of such, or a file: ``.npy`` with one sequence or (N, L, features), ``.npz``
      with ``data`` (N, L, features), or ``data`` (all steps, features) and ``lengths`` (N,).
    - A float array of the model's own input shape, with or without the batch axis, is taken as already prepared, unless the
      file prepares its pictures by itself.

    Raises:
        InputError: the data is of another kind or shape than the card's input.
    """
    if isinstance(card, TableInput):
        return _table_items(data, card)
    if isinstance(card, TextInput):
        return _text_items(data, card)
    if isinstance(card, SequenceInput):
        return _sequence_items(data, card)
    if isinstance(card, ArrayInput):
        if data is None or isinstance(data, str | os.PathLike):
            raise InputError(
                f"{data!r} was given; the model takes arrays of shape {card.shape}, or a batch of these. Read the file first."
                if data is not None
                else f"No input was given; arrays of shape {card.shape}, or a batch of these, are expected."
            )
        try:
            return _prepared_items(np.asarray(data), card)
        except ValueError as error:
            raise InputError(f"The model takes arrays of shape {card.shape}; the data given is ragged.") from error
    if isinstance(data, np.ndarray):
        if card.prepared_in_graph and data.dtype != np.uint8:
            raise InputError(
                f"The array has the dtype {data.dtype}; the model prepares its pictures by itself and takes uint8 only. Give files, "
                f"Pillow images, or arrays of the pixels as they are stored."
            )
        return _picture_items(data, card) if data.dtype == np.uint8 else _prepared_items(data, card)
    if isinstance(data, str | os.PathLike):
        return find_images([data]), not Path(data).is_dir()
    if isinstance(data, list | tuple):
        return _listed_items(data), False
    return [data], True


def prepare(data: Any, card: InputCard) -> tuple[Array, bool]:
    """Parse and prepare user input. Returns (rows (N, *card.shape), is_single)."""
    items, single = parse_inputs(data, card)
    if isinstance(items, np.ndarray):
        return items, single
    if not items:
        raise InputError("No input was given; at least one is expected.")
    return prepare_items(items, card), single


def prepare_items(items: Sequence[Any], card: InputCard) -> Array:
    """Prepare items of `parse_inputs` -> rows (N, *card.shape). Raises InputError for an item that cannot be read."""
    if isinstance(card, TextInput):
        return prepare_text(items, card)
    if isinstance(card, SequenceInput):
        return prepare_sequences(items, card)
    assert isinstance(card, ImageInput)
    return np.stack([prepare_image(item, card) for item in items])


def _listed_items(data: Sequence[Any]) -> list[Any]:
    items: list[Any] = []
    for entry in data:
        items += find_images([entry]) if isinstance(entry, str | os.PathLike) and Path(entry).is_dir() else [entry]
    return items


def _picture_items(data: npt.NDArray[np.uint8], card: ImageInput) -> tuple[Any, bool]:
    """Split a uint8 array into pictures: one picture or a batch."""
    if data.ndim not in (2, 3, 4):
        raise InputError(
            f"The array has the shape {data.shape}; a picture (H, W), (H, W, C) or (C, H, W), or a batch of these, is expected."
        )
    channels_last = data.ndim == 3 and data.shape[-1] in (1, 3, 4)
    channels_first = data.ndim == 3 and data.shape[0] in (1, card.channels)
    single = data.ndim == 2 or channels_last or channels_first
    pictures = [data] if single else list(data)
    if data.ndim == 4 and data.shape[1:] == card.shape and _keeps_size(card) and not card.prepared_in_graph:
        return normalize(
            np.ascontiguousarray(data), card
        ), False  # already of the right size: no need to go through Pillow
    return pictures, single


def _keeps_size(card: ImageInput) -> bool:
    """Test that the card's resize and crop leave a picture of the card's own size unchanged."""
    resize = card.resize if not isinstance(card.resize, int) or card.resize != min(card.size) else None
    return resize in (None, card.size) and card.crop in (None, card.size)


def _prepared_items(data: Array, card: ImageInput | ArrayInput) -> tuple[Array, bool]:
    if isinstance(card, ImageInput) and data.dtype.kind != "f":
        raise InputError(
            f"The array has the dtype {data.dtype}. Pictures are uint8 arrays (cast with .astype('uint8')); arrays that are "
            f"already scaled and normalised are float32."
        )
    rank = len(card.shape)
    single = data.ndim == rank
    rows = data[None] if single else data
    fits = rows.ndim == rank + 1 and all(
        want is None or want == got for want, got in zip(card.shape, rows.shape[1:], strict=True)
    )
    if not fits:
        pictures = " Pictures are uint8 arrays, files or Pillow images." if isinstance(card, ImageInput) else ""
        raise InputError(
            f"The array has the shape {data.shape}; prepared inputs of shape (N, {', '.join(map(str, card.shape))}) are "
            f"expected.{pictures}"
        )
    dtype = card.dtype if isinstance(card, ArrayInput) else "float32"
    if rows.dtype.kind in "fiub" and not np.can_cast(rows.dtype, dtype, "same_kind"):
        raise InputError(f"The array has the dtype {data.dtype}; {dtype} is expected. Cast it with .astype('{dtype}').")
    if rows.dtype.kind == "f" and not np.isfinite(rows).all():
        raise InputError(
            "The array holds NaN or infinity; finite numbers are expected. Look for missing values in the data."
        )
    try:
        return np.ascontiguousarray(rows, dtype=dtype), single
    except (TypeError, ValueError) as error:
        raise InputError(f"The array of {data.dtype} cannot be read as {dtype}: {error}.") from error


def _columns(path: str | os.PathLike[str], columns: Sequence[str]) -> list[list[str]]:
    """Read these columns of a CSV file, row by row."""
    header, rows = read_table(path)
    missing = [name for name in columns if name not in header]
    if missing:
        raise InputError(
            f"{path} lacks the columns {', '.join(missing)}; the model takes {', '.join(columns)}, and the file has "
            f"{', '.join(header)}. Rename or add them."
        )
    if not rows:
        raise InputError(f"{path} has a header only; at least one row is expected.")
    positions = [header.index(name) for name in columns]
    return [[row[position] for position in positions] for row in rows]


def _text_items(data: Any, card: TextInput) -> tuple[Any, bool]:
    if isinstance(data, np.ndarray) and data.dtype.kind in "iu":
        return _token_items(data, card)
    is_file = isinstance(data, os.PathLike) or (isinstance(data, str) and data.lower().endswith(_TEXT_SUFFIXES))
    if is_file and Path(data).suffix.lower() in (".csv", ".tsv"):
        return [row[0] for row in _columns(data, (card.column,))], False
    if is_file:
        return read_lines(data), False
    if isinstance(data, str):
        return [data], True
    if isinstance(data, np.ndarray):
        data = data.tolist()
    if not isinstance(data, list | tuple) or not all(isinstance(text, str) for text in data):
        raise InputError(
            f"The model takes texts, and a {type(data).__name__} was given; a text, a list of texts, a .txt file with one a line, "
            f"or a .csv file with a column {card.column!r} is expected."
        )
    return list(data), False


def _token_items(data: Array, card: TextInput) -> tuple[Array, bool]:
    """Validate integer arrays: texts that were looked up in the vocabulary already."""
    single = data.ndim == 1
    rows = data[None] if single else data
    if rows.ndim != 2 or rows.shape[1] != card.length or not rows.size:
        raise InputError(f"The tokens have the shape {data.shape}; (N, {card.length}) is expected.")
    least, most = int(rows.min()), int(rows.max())
    if least < 0 or most >= len(card.vocabulary):
        raise InputError(
            f"The tokens go from {least} to {most}; the vocabulary has the positions 0 to {len(card.vocabulary) - 1}."
        )
    return np.ascontiguousarray(rows, np.int64), single


def _sequence_items(data: Any, card: SequenceInput) -> tuple[Any, bool]:
    if isinstance(data, str | os.PathLike):
        arrays = read_arrays(data)
        if "data" not in arrays:
            raise InputError(f"{data} lacks the array 'data'; it has {', '.join(arrays) or 'none'}.")
        values = arrays["data"]
        if "lengths" in arrays:
            return split_steps(values, arrays["lengths"], str(data)), False
        return (list(values), False) if values.ndim == 3 else ([values], False)
    if not isinstance(data, list | tuple | np.ndarray) or (isinstance(data, np.ndarray) and data.ndim == 0):
        raise InputError(
            f"The model takes sequences, and a {type(data).__name__} was given; an array (steps, {card.features}), a list of "
            f"such, or an .npy or .npz file is expected."
        )
    # the steps of one sequence, rather than several sequences: numbers, or as many numbers each as there are features
    first = np.shape(data[0]) if len(data) else None
    array = isinstance(data, np.ndarray) or card.features > 1
    single = first == () if card.features == 1 and first != (1,) else array and first == (card.features,)
    return ([data] if single else list(data)), single


def _table_items(data: Any, card: TableInput) -> tuple[Array, bool]:
    if isinstance(data, str | os.PathLike):
        chosen = _columns(data, card.columns)
        return prepare_table(table_rows(chosen, card.columns, str(data)), card), False
    try:
        values = np.asarray(data, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The rows cannot be read as numbers: {error}. Give rows of {len(card.columns)} numbers."
        ) from error
    single = values.ndim == 1
    return prepare_table(values[None] if single else values, card), single
