"""`--data PATH`: detect the kind of a data source, and open it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from runtime.card import ImageInput
from runtime.errors import InputError
from runtime.preprocess import CsvTable, is_number, read_lines
from runtime.preprocess.sources import text_files
from runtime.preprocess.unread import warn_unread
from toolkit.data.apply_card import apply_card
from toolkit.data.class_names import class_names
from toolkit.data.dataset import Dataset
from toolkit.data.labels_by_name import fits_labels, relabelled, with_labels
from toolkit.data.parts import Part, find_parts
from toolkit.data.readers.idx import find_idx, load_idx
from toolkit.data.readers.images import class_folders, load_images
from toolkit.data.readers.npz import load_npz
from toolkit.data.readers.tables import load_csv, target_columns
from toolkit.data.readers.text import load_text_folder, load_text_table, load_texts
from toolkit.tasks.registry import DEFAULT_TASK, find_task

__all__ = ["Source", "open_archives", "open_pictures", "open_source", "open_tables"]

_TABLES = (".csv", ".tsv", ".tab")
Prepare: TypeAlias = Callable[[Dataset], Dataset]


@dataclass(frozen=True)
class Source:
    """Opened data source: a training part, and where the source has them, validation and test parts."""

    train: Dataset
    validation: Dataset | None = None
    test: Dataset | None = None


def open_source(
    path: str | os.PathLike[str],
    *,
    task: str = DEFAULT_TASK,
    color: Literal["RGB", "grayscale"] = "RGB",
    size: tuple[int, int] | None = None,
    card: ImageInput | None = None,
    keep_originals: bool = False,
    labels: Any = None,
    label: str | Sequence[str] | None = None,
    scale: bool = True,
    level: Literal["character", "word"] = "character",
    length: int | None = None,
    text_options: Mapping[str, Any] | None = None,
    workers: int | None = None,
) -> Source:
    """Open a data source; its kind follows from the files at `path`.

    - a folder with idx files (MNIST): the ``t10k`` files are the test part;
    - a folder with one sub-folder per class;
    - a folder of ``.txt`` files, one class per file, one text per line;
    - a ``.csv`` or ``.tsv`` table of numbers with the label in its last column, or with a column named ``text``;
    - an ``.npz`` file with ``data`` and ``label``;
    - for the task "dense" a ``.txt`` file, one text per line, for next-token prediction;
    - a folder with several of one kind named for the parts of the data: ``train`` and ``val``, ``test``, as folders or as files
      (``train.csv``). Further parts are prepared as the training part is; their classes go by name, and some may be missing.

    Args:
        path: the file or folder.
        task: what the labels are for.
        color, size, card, workers: for pictures; see `load_images`.
        keep_originals: for pictures in arrays; see `apply_card`. Of pictures in files the files are.
        labels: names of the classes in the order of a network's outputs, in any form that `class_names` takes; those in the
            data mean themselves. None takes those in the data.
        label, scale: for tables; see `load_csv`.
        level, length, text_options: for texts; the options are further ones of `load_texts`.

    Raises:
        InputError: the path does not exist or holds none of these, or a further part has classes that the training part lacks.
    """
    texts: dict[str, Any] = {"task": task, "level": level, "length": length, **(text_options or {})}
    prepare = partial(apply_card, card=card, keep_originals=keep_originals)
    place = Path(path)
    if not place.exists():
        raise InputError(f"{place} does not exist. Check the path; it is looked up from {Path.cwd()}.")
    if place.is_dir():
        if find_idx(place, "train"):
            return _open_idx(place, prepare, labels)
        if not class_folders(place):
            return _open_files(place, labels, texts, prepare=prepare, label=label, scale=scale)
        return open_pictures(place, color=color, size=size, card=card, labels=labels, workers=workers)
    suffix = place.suffix.lower()
    if suffix in _TABLES and _holds_texts(place, label):
        return Source(load_text_table(place, label=label, labels=labels, **texts))
    if suffix in _TABLES:
        return open_tables(place, task=task, label=label, scale=scale, labels=labels)
    if suffix == ".npz":
        return open_archives(place, prepare=prepare, labels=labels, **texts)
    if suffix == ".txt" and find_task(task).per_position:
        return Source(load_texts(read_lines(place), source=str(place), **texts))
    raise InputError(
        f"{place} is a {place.suffix or 'file without suffix'}; a .csv, .tsv or .npz file or a folder is expected."
    )


def open_pictures(
    root: str | os.PathLike[str],
    *,
    color: Literal["RGB", "grayscale"] = "RGB",
    size: tuple[int, int] | None = None,
    card: ImageInput | None = None,
    labels: Any = None,
    workers: int | None = None,
) -> Source:
    """A folder with one sub-folder of pictures per class, or with such folders for the parts; arguments as for `load_images`."""
    options: dict[str, Any] = {"color": color, "size": size, "workers": workers}
    paths = find_parts(class_folders(root), "a folder with one sub-folder a class", class_folders)
    if not paths:
        return Source(load_images(root, card=card, labels=labels, **options))
    warn_unread(root, (), apart=paths.values())
    train = load_images(paths["train"], card=card, **options)
    assert train.pictures is not None
    own = train.pictures[1]
    return _assembled(train, paths, lambda path: load_images(path, card=own, workers=workers), labels)


def open_tables(
    path: str | os.PathLike[str],
    *,
    task: str = DEFAULT_TASK,
    label: str | Sequence[str] | None = None,
    scale: bool = True,
    labels: Any = None,
) -> Source:
    """A table of numbers, or a folder with tables named for the parts; arguments as for `load_csv`.

    Further parts have the training part's columns, in any order, and are scaled as it is.
    """
    paths = _files(path, _TABLES)
    if len(paths) == 1:
        return Source(load_csv(paths["train"], task=task, label=label, scale=scale, labels=labels))
    chosen = target_columns(CsvTable(paths["train"]).header, label, str(paths["train"]))
    train = load_csv(paths["train"], task=task, label=chosen, scale=scale)
    card: Any = train.card
    return _assembled(train, paths, lambda path: load_csv(path, task=task, label=chosen, card=card), labels)


def open_archives(
    path: str | os.PathLike[str], *, prepare: Prepare = apply_card, labels: Any = None, **options: Any
) -> Source:
    """An NPZ file, or a folder with files named for the parts; labels and options as for `load_npz`.

    `prepare` is what becomes of the data of each part: `apply_card` with a card, for pictures.
    """
    paths = _files(path, (".npz",))
    if len(paths) == 1:
        return Source(prepare(load_npz(paths["train"], labels=labels, **options)))
    train = prepare(load_npz(paths["train"], **options))
    further = {**options, **_as_prepared(train)}
    return _assembled(train, paths, lambda path: _alike(prepare(load_npz(path, **further)), train, path.stem), labels)


def _open_idx(place: Path, prepare: Prepare, labels: Any) -> Source:
    train = prepare(load_idx(place, "train"))
    found: dict[Part, Path] = {"train": place, **({"test": place} if find_idx(place, "test") else {})}
    return _assembled(train, found, lambda path: _alike(prepare(load_idx(path, "test")), train, "test"), labels)


def _open_files(
    place: Path,
    labels: Any,
    texts: Mapping[str, Any],
    *,
    prepare: Prepare,
    label: str | Sequence[str] | None,
    scale: bool,
) -> Source:
    """A folder without pictures: texts in files of a class each, or in folders of such or files for the parts; tables; archives."""
    folders = find_parts(filter(Path.is_dir, place.iterdir()), "a folder with one .txt file a class", text_files)
    if folders:
        return _open_texts(folders, load_text_folder, labels, texts)
    lines = find_parts(text_files(place), "a file with one text a line")
    if lines and find_task(texts["task"]).per_position:
        return _open_texts(lines, _load_lines, labels, texts)
    if lines:
        names = ", ".join(path.name for path in lines.values())
        raise InputError(
            f"{place} holds {names}, which are named for parts of the data and would be classes. Put one .txt file a class into "
            f"the folders {place / 'train'} and {place / 'val'}."
        )
    if text_files(place):
        return Source(load_text_folder(place, labels=labels, **texts))
    tables = _files(place, _TABLES, needed=False)
    if tables and _holds_texts(tables["train"], label):
        return _open_texts(tables, load_text_table, labels, {**texts, "label": label})
    if tables:
        return open_tables(place, task=texts["task"], label=label, scale=scale, labels=labels)
    if _files(place, (".npz",), needed=False):
        return open_archives(place, prepare=prepare, labels=labels, **texts)
    return Source(load_images(place))  # raises with what is looked for


def _open_texts(
    paths: Mapping[Part, Path], read: Callable[..., Dataset], labels: Any, options: Mapping[str, Any]
) -> Source:
    """Texts in parts; further ones are prepared with the training part's vocabulary and length."""
    train = read(paths["train"], **options)
    further = {**options, **_as_prepared(train)}
    return _assembled(train, paths, lambda path: read(path, **further), labels)


def _as_prepared(train: Dataset) -> dict[str, Any]:
    """Options of `load_texts` for texts to be prepared as these were; none for other data."""
    card: Any = train.card
    if train.vocabulary is None:
        return {}
    found = {name: getattr(card, name) for name in ("level", "length", "lowercase", "normalization", "strip_accents")}
    return {"word2idx": card.vocabulary, **found}


def _load_lines(path: Path, **options: Any) -> Dataset:
    return load_texts(read_lines(path), source=str(path), **options)


def _assembled(train: Dataset, paths: Mapping[Part, Path], read: Callable[[Path], Dataset], labels: Any) -> Source:
    """A source of the training part and the others, which are read with its preparation; their classes go by name."""
    others: dict[Part, Dataset] = {part: read(path) for part, path in paths.items() if part != "train"}
    names = class_names(labels)
    if names is not None:
        train, *further = relabelled([train, *others.values()], names)
    else:
        further = [with_labels(part, train.labels) for part in others.values()]
    found = dict(zip(others, further, strict=True))
    return Source(train, found.get("validation"), found.get("test"))


def _alike(part: Dataset, train: Dataset, part_name: str) -> Dataset:
    """A further part. Raises InputError where its inputs are of another kind or shape than the training part's, or its classes."""
    if part.card != train.card or not fits_labels(part, train.labels):
        what = f"The {part_name} part of {part.source}"
        raise InputError(
            f"{what} is {part.describe()} ({', '.join(part.labels)}; {part.card.describe()}); the training part is "
            f"{train.describe()} ({', '.join(train.labels)}; {train.card.describe()})."
        )
    return part


def _files(path: str | os.PathLike[str], suffixes: tuple[str, ...], *, needed: bool = True) -> dict[Part, Path]:
    """A file alone, as the training part; of a folder the files named for the parts."""
    place = Path(path)
    if not place.is_dir():
        return {"train": place}
    files = (child for child in place.iterdir() if child.suffix.lower() in suffixes and child.is_file())
    found = find_parts(files, f"a {suffixes[0]} file")
    return {"train": place} if needed and not found else found  # which its reader refuses


def _holds_texts(path: Path, label: str | Sequence[str] | None) -> bool:
    """True for a table with a column named ``text`` that is not the label and holds more than numbers."""
    table = CsvTable(path)
    header = table.header
    if "text" not in header or "text" in (
        (label,) if isinstance(label, str) else label or (header[-1],) * (len(header) != 2)
    ):
        return False
    position = header.index("text")
    return any(not is_number(row[position]) for row in table.rows)
