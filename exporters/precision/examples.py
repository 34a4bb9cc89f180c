"""Real inputs from a folder or file, with labels where present, prepared by the card as at inference."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from exporters.inputs import kind_of
from exporters.precision.labels import array_targets, named_targets
from runtime.card import InputCard, ModelCard
from runtime.errors import InputError
from runtime.preprocess import read_arrays, read_table
from runtime.preprocess.inputs import prepare, prepare_items
from runtime.preprocess.sources import text_files
from runtime.results import find_decoder
from toolkit.data.parts import Part as NamedPart
from toolkit.data.parts import find_part
from toolkit.data.readers.images import class_folders

__all__ = ["Examples", "open_examples"]

Array = np.ndarray[Any, Any]
Part = Literal["train", "test"]

_TABLES = (".csv", ".tsv", ".tab")
_ARRAYS = (".npz", ".npy")
# The parts to look for in a folder that has several, the first before the others.
_ORDERS: dict[Part, tuple[NamedPart, ...]] = {"train": ("train",), "test": ("test", "validation", "train")}


@dataclass(frozen=True)
class Examples:
    """N examples, prepared lazily.

    Attributes:
        items: by input, in the card's order: N files, pictures, texts or sequences, or rows that are prepared already.
        targets: as a data set of the card's task has them; None where the source has no labels.
        source: where they come from, in words.
    """

    items: Mapping[str, Sequence[Any] | Array]
    targets: Array | None
    source: str

    def __len__(self) -> int:
        return len(next(iter(self.items.values())))

    def feeds(self, card: ModelCard, positions: Array) -> dict[str, Array]:
        """Prepare rows at int64 `positions` (m,): input name -> array. Raises InputError for an unreadable item."""
        return {
            entry.name: _prepared(items, entry, positions)
            for entry, items in zip(card.inputs, self.items.values(), strict=True)
        }


def open_examples(path: str | os.PathLike[str], card: ModelCard, part: Part = "train") -> Examples:
    """Open examples at `path` for a network with this card.

    - pictures: a folder with one sub-folder per class; any folder of pictures, without labels; a folder with idx files
      (MNIST); a picture;
    - tables: ``.csv`` and ``.tsv`` with the card's columns, and those of the labels: of classes the one column that holds them,
      or the last;
    - texts: ``.csv`` and ``.tsv`` with the card's column, and the label's; ``.txt`` with one text per line, without labels;
      a folder of ``.txt`` files, one class per file;
    - ``.npz`` with ``data`` and ``label``, of sequences also ``lengths``; with an array for each input, named as it is, where
      there are several. Pictures in uint8 go through the pre-processing; floats are taken as prepared. ``.npy``: the same
      without labels;
    - a folder with several of one kind named for the parts of the data, as training takes it: ``train`` and ``test`` or
      ``val``, as folders or as files (``train.csv``).

    Args:
        path: the folder or file.
        card: how inputs are prepared, the task, and its labels.
        part: the part of the source, where it has several.

    Raises:
        InputError: the path does not exist, holds none of these, or its labels are not the card's.
    """
    place = Path(path)
    if not place.exists():
        raise InputError(f"{place} does not exist. Check the path; it is looked up from {Path.cwd()}.")
    if place.is_dir():
        place = find_part(place, _ORDERS[part], _holds_examples)
    if place.suffix.lower() in _ARRAYS and place.is_file():
        return _from_arrays(place, card)
    if len(card.inputs) != 1:
        names = ", ".join(entry.name for entry in card.inputs)
        raise InputError(
            f"The network takes the inputs {names}. Give an .npz file with an array for each, and `label`."
        )
    entry = card.inputs[0]
    found: tuple[Sequence[Any] | Array, Array | None]
    if place.is_dir():
        found = _from_folder(place, entry, card, part)
    elif place.suffix.lower() in _TABLES and entry.table_columns:
        found = _from_table(place, entry, card)
    else:
        found = (_from_file(place, entry), None)
    return Examples({entry.name: found[0]}, found[1], str(place))


def _holds_examples(path: Path) -> bool:
    if path.is_dir():
        return bool(class_folders(path) or text_files(path))
    return path.suffix.lower() in (*_TABLES, *_ARRAYS)


def _prepared(items: Sequence[Any] | Array, entry: InputCard, positions: Array) -> Array:
    if isinstance(items, np.ndarray):
        rows: Array = items[positions]
        return rows
    return prepare_items([items[position] for position in positions.tolist()], entry)


def _from_file(place: Path, entry: InputCard) -> Sequence[Any]:
    kind = kind_of(entry)
    items = kind.file_items(place)
    if items is None:
        raise InputError(f"{place} is not what a network for {kind.plural} is given; {kind.expected} is expected.")
    return items


def _from_folder(place: Path, entry: InputCard, card: ModelCard, part: Part) -> tuple[Sequence[Any], Array | None]:
    kind = kind_of(entry)
    labels = card.labels if find_decoder(card.task).answer_is_label else None
    found = kind.folder_items(place, part, labels)
    if found is None:
        raise InputError(f"{place} is a folder; {kind.expected} is expected of a network for {kind.plural}.")
    return found.items, None if found.names is None else named_targets(found.names, card, found.folder)


def _from_table(place: Path, entry: InputCard, card: ModelCard) -> tuple[Sequence[Any] | Array, Array | None]:
    header, cells = read_table(place)
    rows, _ = prepare(place, entry)  # says what is missing
    others = [name for name in header if name not in entry.table_columns]
    decoder = find_decoder(card.task)
    if decoder.label_per_column:
        columns = [name for name in card.labels if name in others]
        if not columns or len(columns) < len(card.labels):
            return rows, None
        values = [[row[header.index(name)] for name in columns] for row in cells]
        return rows, array_targets(np.array(values), card, place)
    if not decoder.answer_is_label or not others:
        return rows, None
    cells_of = {name: [row[header.index(name)] for row in cells] for name in others}
    labelled = [name for name in others if set(cells_of[name]) <= set(card.labels)]
    column = labelled[0] if len(labelled) == 1 else others[-1]  # as training takes it where none is named
    return rows, named_targets(cells_of[column], card, place)


def _from_arrays(place: Path, card: ModelCard) -> Examples:
    arrays = read_arrays(place)
    several = len(card.inputs) > 1
    items: dict[str, Sequence[Any] | Array] = {}
    for entry in card.inputs:
        name = entry.name if several or entry.name in arrays else "data"
        if name not in arrays:
            raise InputError(f"{place} lacks the array {name!r}; it has {', '.join(arrays) or 'none'}. Name it so.")
        items[entry.name] = kind_of(entry).array_items(arrays[name], arrays.get("lengths"), entry, place)
    counts = {len(rows) for rows in items.values()}
    if len(counts) != 1 or not counts.pop():
        raise InputError(
            f"{place} has {sorted(len(rows) for rows in items.values())} rows for the inputs; as many of each, and at least one, are expected."
        )
    targets = array_targets(arrays["label"], card, place) if "label" in arrays else None
    found = Examples(items, targets, str(place))
    if targets is not None and len(targets) != len(found):
        raise InputError(f"{place} has {len(found)} inputs, but {len(targets)} labels; one for each is expected.")
    return found
