"""Input parsing of `predict`, `embed` and training, by the kind of input on the card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card import InputCard
from runtime.errors import InputError
from runtime.preprocess.kinds import preprocessor_of

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["parse_inputs", "prepare", "prepare_items"]


def parse_inputs(data: Any, card: InputCard) -> tuple[Any, bool]:
    """Normalise user input. Returns (list of pictures, texts or sequences, or prepared rows (N, ...); is_single).

    - Pictures: a path, a folder (the pictures below it), a Pillow image, encoded bytes, a uint8 array (H, W), (H, W, C)
      or (C, H, W), a uint8 batch of these, or a list of any. They go through the card's pre-processing.
    - Tables: a CSV path, a data frame, or rows as mappings: columns go by name, and further ones are left out; a row of numbers or
      rows (N, columns): columns go by position. They are raw: scaled here, or in the file.
    - Texts: a text, a list of texts, or a file: ``.txt`` with one text per line, ``.csv`` or ``.tsv`` with the card's column.
      A string that ends in one of these is a file's name; within a list every string is a text.
    - Sequences: an array (L, features), a list of such, or a file: ``.npy`` with one sequence or (N, L, features), ``.npz``
      with ``data`` (N, L, features), or ``data`` (all steps, features) and ``lengths`` (N,).
    - Any but texts: the path of an ``.npz`` with an array of the input's name or ``data``, or of an ``.npy``: as that array.
    - A float array of the model's own input shape, with or without the batch axis, is taken as already prepared, unless the
      file prepares its pictures by itself.

    Raises:
        InputError: the data is of another kind or shape than the card's input.
    """
    return preprocessor_of(card).parse(data, card)


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
    return preprocessor_of(card).prepare(items, card)
