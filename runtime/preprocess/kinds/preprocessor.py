"""Preprocessor: what a kind of input does with a user's data; one subclass per kind, in a file of its name."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np

from runtime.card.input_card import InputCard
from runtime.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Preprocessor", "holds_arrays"]


def holds_arrays(path: object) -> bool:
    """True for the path of an .npz or .npy file."""
    return isinstance(path, str | os.PathLike) and os.fspath(path).lower().endswith((".npz", ".npy"))


Card = TypeVar("Card", bound=InputCard)


class Preprocessor(ABC, Generic[Card]):
    """Parsing and preparation of the inputs of one kind.

    Attributes:
        items: how items are prepared: "apart", each by itself and best by several threads, since decoding takes long;
            "together", many at once; None where `parse` gives prepared rows alone.
    """

    items: ClassVar[Literal["apart", "together"] | None] = None

    @abstractmethod
    def parse(self, data: Any, card: Card) -> tuple[Any, bool]:
        """Normalise user input. Returns (list of items, or prepared rows (N, ...); is_single).

        Raises:
            InputError: the data is of another kind or shape than the card's input.
        """

    def parse_batch(self, values: Array, card: Card) -> tuple[Any, bool]:
        """As `parse`, for an array whose first axis counts the inputs where its shape leaves that open."""
        return self.parse(values, card)

    def parse_arrays(self, path: str | os.PathLike[str], card: Card) -> Any:
        """Parse the inputs in an .npz or .npy file: the array of the input's name, else ``data`` -> items, or prepared rows.

        Raises:
            InputError: the file cannot be read, holds no such array, or one input instead of a batch.
        """
        from runtime.preprocess.sequences import read_arrays

        arrays = read_arrays(path)
        name = card.name if card.name in arrays else "data"
        if name not in arrays:
            raise InputError(f"{path} lacks the array {name!r}; it has {', '.join(arrays) or 'none'}. Name it so.")
        items, single = self.parse_batch(arrays[name], card)
        if single:
            raise InputError(
                f"{path} holds one input of shape {arrays[name].shape}; a batch of them is expected. Add an axis in front."
            )
        return items

    def prepare(self, items: Sequence[Any], card: Card) -> Array:
        """Prepare items of `parse` -> rows (N, *card.shape). Raises InputError for an item that cannot be read."""
        raise InputError(
            f"The input {card.name!r} is of the kind {card.kind}; rows that are prepared already are expected, and "
            f"{len(items)} unprepared items were given."
        )

    def real_steps(self, rows: Array, card: Card) -> Array | None:
        """Steps of prepared rows (N, L, ...) before the padding at their end, int64 (N,); None where the card marks none."""
        mark = card.padding_mark
        if mark is None or rows.ndim != len(card.shape) + 1:
            return None
        real: Array = np.asarray(~np.isnan(rows).all(axis=2) if mark == "nan" else rows != mark)  # (N, L)
        counts: Array = np.where(real.any(axis=1), real.shape[1] - real[:, ::-1].argmax(axis=1), 1)
        return counts

    def feed(self, items: Sequence[Any], card: Card) -> Array:
        """Rows as the file takes them: prepared, or raw where the file prepares its inputs by itself."""
        return self.prepare(items, card)

    def feed_one(self, item: Any, card: Card) -> Array:
        """One row of `feed`, without the batch axis."""
        row: Array = self.feed([item], card)[0]
        return row

    def find(self, paths: Sequence[str | os.PathLike[str]], card: Card, model: str) -> Any:
        """Expand paths of a command line to items, or prepared rows; `model` is the file's name for messages.

        Raises:
            InputError: a path does not exist or does not fit the input.
            CardError: the input does not come from files.
        """
        found = [self.parse(Path(path), card)[0] for path in paths]
        prepared = [path for path, items in zip(paths, found, strict=True) if isinstance(items, np.ndarray)]
        if not prepared:
            return [item for items in found for item in items]
        if len(prepared) < len(found):
            raise InputError(
                f"{prepared[0]} holds inputs that are prepared already, and others do not. Give them apart."
            )
        return np.concatenate(found)
