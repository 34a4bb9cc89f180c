"""Texts as an input: texts, a file with one text per line, a column of a table, or tokens that were looked up already."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.card.text_input import TextInput
from runtime.errors import InputError
from runtime.preprocess.csv_table import read_columns
from runtime.preprocess.kinds.preprocessor import Preprocessor, holds_arrays
from runtime.preprocess.named_columns import named_rows
from runtime.preprocess.sources import text_files
from runtime.preprocess.text import prepare_text, read_lines

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["PREPROCESSOR", "TextPreprocessor"]

_SUFFIXES = (".txt", ".csv", ".tsv", ".tab", ".npz", ".npy")


class TextPreprocessor(Preprocessor[TextInput]):
    """Texts: items are texts."""

    items: ClassVar[Literal["apart", "together"] | None] = "together"

    def parse(self, data: Any, card: TextInput) -> tuple[Any, bool]:
        """As `Preprocessor.parse`."""
        if isinstance(data, np.ndarray) and data.dtype.kind in "iu":
            return _token_rows(data, card)
        if isinstance(data, os.PathLike) or (isinstance(data, str) and data.lower().endswith(_SUFFIXES)):
            return self._parse_path(Path(data), card), False
        if isinstance(data, str):
            return [data], True
        named = named_rows(data, (card.column,))
        if named is not None:
            rows, single = named
            return ([rows[0]] if single else [row[0] for row in rows]), single
        texts = data.tolist() if hasattr(data, "tolist") else data
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise InputError(
                f"The model takes texts, and a {type(data).__name__} was given; a text, a list of texts, a .txt file with one a line, "
                f"or a .csv file with a column {card.column!r} is expected."
            )
        return list(texts), False

    def _parse_path(self, path: Path, card: TextInput) -> Any:
        if holds_arrays(path):
            return self.parse_arrays(path, card)
        if path.suffix.lower() in (".csv", ".tsv", ".tab"):
            return [row[0] for row in read_columns(path, (card.column,))]
        if not path.is_dir():
            return read_lines(path)
        files = text_files(path)
        if not files:
            raise InputError(f"{path} holds no .txt files; some with one text per line are expected.")
        return [text for file in files for text in read_lines(file)]

    def prepare(self, items: Sequence[Any], card: TextInput) -> Array:
        """As `Preprocessor.prepare`."""
        return prepare_text(items, card)

    def find(self, paths: Sequence[str | os.PathLike[str]], card: TextInput, model: str) -> Any:
        """As `Preprocessor.find`."""
        for path in paths:
            if not Path(path).exists():
                raise InputError(f"{path} is no file. Put the texts into one, such as lines.txt with one text a line.")
        return super().find(paths, card, model)


PREPROCESSOR = TextPreprocessor()


def _token_rows(data: Array, card: TextInput) -> tuple[Array, bool]:
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
