"""Kind of input: what an export knows of it besides its preparation; one subclass per kind, in a file of its name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

import numpy as np
import torch

from runtime.card import InputCard
from runtime.errors import InputError
from runtime.preprocess.inputs import prepare

__all__ = ["OPEN_LENGTH", "FolderItems", "InputKind", "RowPreparation", "Script", "scaling_lines"]

Array = np.ndarray[Any, Any]
Card = TypeVar("Card", bound=InputCard)

OPEN_LENGTH = 12
"""Length of random inputs along an axis that may have any."""


class Script(NamedTuple):
    """Part of a bundle's `run.py` that prepares an input.

    Attributes:
        imports: of the standard library.
        function: source of `prepare(path)`: input name -> array (N, ...).
        argument: what the command line takes.
    """

    imports: list[str]
    function: str
    argument: str


class FolderItems(NamedTuple):
    """Items of a folder, the class name of each where there are classes, and the folder that was read."""

    items: Sequence[Any]
    names: list[str] | None
    folder: Path


class RowPreparation(NamedTuple, Generic[Card]):
    """Preparation of rows of numbers as the first operators of a file.

    Attributes:
        card: of the file that does it.
        steps: (operator of ONNX, its constant (1, ...) of the raw rows' dtype), one after another; float32 follows.
    """

    card: Card
    steps: Sequence[tuple[str, Array]]


class InputKind(ABC, Generic[Card]):
    """Export of one kind of input.

    Attributes:
        plural: the inputs, in words.
        expected: the files that examples are read from, in words.
        predicted: what `toolkit predict` is given; None where it takes no files.
        file_name: name of a file that `predict` takes; None where it takes arrays.
        packages: pip requirements of `run.py` besides NumPy and onnxruntime.
    """

    plural: ClassVar[str]
    expected: ClassVar[str]
    predicted: ClassVar[str | None] = None
    file_name: ClassVar[str | None] = None
    packages: ClassVar[tuple[str, ...]] = ()

    def script(self, card: Card) -> Script | None:
        """Preparation in `run.py`, which must agree with `runtime.preprocess`; None where it takes arrays as they are."""
        return None

    def raw_file(self, row: Array, card: Card) -> tuple[str, bytes]:
        """(file name, content) that is prepared to approximately this row; ("", b"") for plain arrays."""
        return "", b""

    def read_raw(self, content: bytes) -> Any:
        """Content of a raw file, in the form that `runtime.preprocess.inputs.prepare` takes."""
        return content

    @abstractmethod
    def random_rows(self, module: torch.nn.Module, card: Card, rows: int, random: np.random.Generator) -> Array:
        """Random rows (rows, *card.shape) for a network, in the range of prepared inputs."""

    def with_padding(self, rows: Array, card: Card) -> Array:
        """Prepared rows (N, *card.shape), every second one shortened where none has padding that the card marks.

        A file is verified on them: it must leave padding out as torch does.
        """
        return rows

    def row_preparation(self, card: Card) -> RowPreparation[Card] | None:
        """Preparation that goes into the file where nothing else is asked for; None for kinds without, and where nothing is done."""
        return None

    def raw_rows(self, rows: Array, card: Card) -> Array:
        """Prepared rows (N, *card.shape) -> rows of `row_preparation`'s dtype that it prepares to about these."""
        return rows

    def raw_items(self, card: Card) -> Iterator[tuple[str, Any]]:
        """(label, item) of several shapes, not prepared, for a file that prepares its inputs by itself."""
        return iter(())

    def file_items(self, place: Path) -> Sequence[Any] | None:
        """Items of an examples' file that is neither a table nor arrays; None where no such file is expected."""
        return None

    def folder_items(
        self, place: Path, part: Literal["train", "test"], labels: Sequence[str] | None
    ) -> FolderItems | None:
        """Items of a folder of examples; None where no folder is expected.

        Args:
            place: the folder.
            part: the part of it, where it has several.
            labels: class names of the network; None where its examples have no classes.

        Raises:
            InputError: the folder holds none.
        """
        return None

    def array_items(self, values: Array, lengths: Array | None, card: Card, place: Path) -> Sequence[Any] | Array:
        """Items, or prepared rows, of an array from a file; `lengths` where the file has some.

        Raises:
            InputError: the array does not fit the input.
        """
        rows, single = prepare(values, card)
        if single:
            raise InputError(f"{place} holds one input of shape {values.shape}; a batch of them is expected.")
        return rows

    def standard_metadata(self, card: Card) -> Mapping[str, str] | None:
        """Entries of ONNX's standard metadata (MetadataProps.md) for the input; None where it has none for the kind."""
        return None


def scaling_lines(mean: tuple[float, ...], std: tuple[float, ...]) -> list[str]:
    """Lines of `run.py` that scale `values` by the card's mean and deviation."""
    lines = ['    entry = CARD["inputs"][0]'] if mean or std else []
    lines += ['    values = values - np.array(entry["mean"])'] if mean else []
    return lines + (['    values = values / np.array(entry["std"])'] if std else [])
