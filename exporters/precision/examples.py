"""Real inputs from a folder or file, with labels where present, prepared by the card as at inference."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from exporters.precision.labels import array_targets, named_targets
from runtime.card import ImageInput, InputCard, ModelCard, SequenceInput, TableInput, TextInput
from runtime.errors import InputError
from runtime.preprocess import read_arrays, read_lines, read_table, split_steps
from runtime.preprocess.inputs import prepare, prepare_items
from runtime.preprocess.sources import images_in
from toolkit.data.readers.idx import find_idx, read_idx
from toolkit.data.readers.images import class_folders
from toolkit.data.readers.text import text_files

__all__ = ["Examples", "open_examples"]

Array = np.ndarray[Any, Any]
Part = Literal["train", "test"]

_TABLES = (".csv", ".tsv", ".tab")
_CHILDREN: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training", "training_set", "train_set"),
    "test": ("test", "testing", "test_set", "val", "valid", "validation", "val_set", "validation_set"),
}


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

    - pictures: a folder with one sub-folder per class, or with ``train`` and ``test`` (``val``) folders of such;
      any folder of pictures, without labels; a folder with idx files (MNIST); a picture;
    - tables: ``.csv`` and ``.tsv`` with the card's columns, and those of the labels;
    - texts: ``.csv`` and ``.tsv`` with the card's column, and the label's; ``.txt`` with one text per line, without labels;
      a folder of ``.txt`` files, one class per file;
    - ``.npz`` with ``data`` and ``label``, of sequences also ``lengths``; with an array for each input, named as it is, where
      there are several. Pictures in uint8 go through the pre-processing; floats are taken as prepared. ``.npy``: the same
      without labels.

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
    if place.suffix.lower() in (".npz", ".npy") and place.is_file():
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
    elif place.suffix.lower() in _TABLES and isinstance(entry, TableInput | TextInput):
        found = _from_table(place, entry, card)
    elif isinstance(entry, TextInput) and place.suffix.lower() == ".txt":
        found = (read_lines(place), None)
    elif isinstance(entry, ImageInput):
        found = ([place], None)
    else:
        raise InputError(
            f"{place} is not what a network for {_KINDS[entry.kind]} is given; {_EXPECTED[entry.kind]} is expected."
        )
    return Examples({entry.name: found[0]}, found[1], str(place))


_KINDS = {
    "image": "pictures",
    "table": "tables",
    "text": "texts",
    "sequence": "sequences",
    "array": "arrays",
}
_EXPECTED = {
    "image": "a folder of pictures, or an .npz file with `data`,",
    "table": "a .csv file with the card's columns",
    "text": "a .csv or .txt file, or a folder of .txt files,",
    "sequence": "an .npz file with `data` (and `lengths`)",
    "array": "an .npz file with `data`",
}


def _prepared(items: Sequence[Any] | Array, entry: InputCard, positions: Array) -> Array:
    if isinstance(items, np.ndarray):
        rows: Array = items[positions]
        return rows
    return prepare_items([items[position] for position in positions.tolist()], entry)


def _from_folder(place: Path, entry: InputCard, card: ModelCard, part: Part) -> tuple[Sequence[Any], Array | None]:
    if isinstance(entry, TextInput):
        files = text_files(place)
        if not files:
            raise InputError(f"{place} holds no .txt files; one a class, with one text a line, is expected.")
        lines = [read_lines(path) for path in files]
        names = [path.stem for path, texts in zip(files, lines, strict=True) for _ in texts]
        return [text for texts in lines for text in texts], named_targets(names, card, place)
    if not isinstance(entry, ImageInput):
        raise InputError(
            f"{place} is a folder; {_EXPECTED[entry.kind]} is expected of a network for {_KINDS[entry.kind]}."
        )
    found = find_idx(place, part) or find_idx(place, "train") or find_idx(place, "test")
    if found:
        pictures, labels = read_idx(found[0]), read_idx(found[1])
        return list(pictures), named_targets([str(label) for label in labels.tolist()], card, place)
    folder = _child(place, _CHILDREN[part]) or _child(place, _CHILDREN["train"]) or place
    classes = class_folders(folder)
    if card.task == "classification" and classes and {child.name for child in classes} <= set(card.labels):
        paths = [(path, child.name) for child in classes for path in images_in(child)]
        return [path for path, _ in paths], named_targets([name for _, name in paths], card, folder)
    files = images_in(place)
    if not files:
        raise InputError(
            f"The folder {place} holds no picture. Name one with pictures, or with one sub-folder a class."
        )
    return files, None


def _child(folder: Path, names: Sequence[str]) -> Path | None:
    children = {child.name.lower(): child for child in folder.iterdir() if child.is_dir()}
    found = next((children[name] for name in names if name in children), None)
    return found if found is not None and class_folders(found) else None


def _from_table(
    place: Path, entry: TableInput | TextInput, card: ModelCard
) -> tuple[Sequence[Any] | Array, Array | None]:
    header, cells = read_table(place)
    taken = entry.columns if isinstance(entry, TableInput) else (entry.column,)
    rows, _ = prepare(place, entry)  # says what is missing
    others = [name for name in header if name not in taken]
    if card.task in ("regression", "multilabel"):
        columns = [name for name in card.labels if name in others]
        if not columns or len(columns) < len(card.labels):
            return rows, None
        values = [[row[header.index(name)] for name in columns] for row in cells]
        return rows, array_targets(np.array(values), card, place)
    if card.task != "classification" or not others:
        return rows, None
    return rows, named_targets([row[header.index(others[-1])] for row in cells], card, place)


def _from_arrays(place: Path, card: ModelCard) -> Examples:
    arrays = read_arrays(place)
    several = len(card.inputs) > 1
    items: dict[str, Sequence[Any] | Array] = {}
    for entry in card.inputs:
        name = entry.name if several or entry.name in arrays else "data"
        if name not in arrays:
            raise InputError(f"{place} lacks the array {name!r}; it has {', '.join(arrays) or 'none'}. Name it so.")
        items[entry.name] = _array_items(arrays[name], arrays.get("lengths"), entry, place)
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


def _array_items(values: Array, lengths: Array | None, entry: InputCard, place: Path) -> Sequence[Any] | Array:
    if isinstance(entry, SequenceInput):
        return split_steps(values, lengths, str(place)) if lengths is not None else list(values)
    if isinstance(entry, ImageInput) and values.dtype == np.uint8:
        return list(values)
    rows, single = prepare(values, entry)
    if single:
        raise InputError(f"{place} holds one input of shape {values.shape}; a batch of them is expected.")
    return rows
