"""Texts -> a data set of tokens, with the vocabulary on the card."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from runtime.card import TextInput
from runtime.errors import InputError, suggest
from runtime.ordered import ordered
from runtime.preprocess import prepare_text, read_lines, read_table, split_tokens
from runtime.preprocess.kinds import preprocessor_of
from runtime.preprocess.sources import text_files
from runtime.preprocess.unread import warn_unread
from toolkit.data.class_names import class_names
from toolkit.data.dataset import Dataset
from toolkit.data.readers.vocabulary import build_vocabulary, find_token, read_vocabulary
from toolkit.data.stores import RowStore
from toolkit.data.targets import make_targets
from toolkit.tasks.class_indices import IGNORED, named_classes
from toolkit.tasks.dense import DenseTask
from toolkit.tasks.registry import DEFAULT_TASK, find_task

__all__ = ["load_text_folder", "load_text_table", "load_texts", "token_dataset"]

# Texts without a length of their own are cut here: one long text must not stretch all the others.
LONGEST = 1000


def load_texts(
    texts: Sequence[str],
    y: Any = None,
    *,
    task: str = DEFAULT_TASK,
    labels: Sequence[str] | None = None,
    level: Literal["character", "word"] = "character",
    length: int | None = None,
    word2idx: Mapping[str, int] | Sequence[str] | None = None,
    min_count: int = 1,
    size: int | None = None,
    lowercase: bool = False,
    normalization: Literal["NFC", "NFKC", "none"] = "NFC",
    strip_accents: bool = False,
    column: str = "text",
    source: str = "texts",
) -> Dataset:
    """Texts with a label each -> a data set of tokens, int64 (N, length).

    Args:
        texts: N texts.
        y: as `make_targets` takes it, one entry per text. Without it the task is "dense": at each token the next one,
            as a language model learns.
        task: what `y` is for.
        labels: class names.
        level: tokens are characters, or words and single punctuation marks.
        length: tokens per text; longer texts are truncated at their end, shorter ones padded. None takes those of
            the longest text, at most 1,000.
        word2idx: the vocabulary: {token: index}, or the tokens in order. None builds it from the texts.
        min_count, size: of a vocabulary that is built: minimum occurrences of a token, and maximum number of tokens.
        lowercase, normalization, strip_accents: normalisation of a text before tokenisation; see `TextInput`.
        column: column of the texts in a table.
        source: named in the card.

    Raises:
        InputError: there is no text, one is empty, or `y` does not fit.
    """
    given = _checked(texts)
    if level not in ("character", "word"):
        raise InputError(f"level={level!r} was given.{suggest(str(level), ('character', 'word'))}")
    _check_options(lowercase, strip_accents, normalization, min_count, size)
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 1):
        raise InputError(f"length={length!r} was given; a whole number of tokens of at least 1 is expected.")
    if y is not None and (not hasattr(y, "__len__") or len(y) != len(given)):
        count = len(y) if hasattr(y, "__len__") else repr(y)
        raise InputError(f"There are {len(given)} texts, but {count} labels; one for each is expected.")
    options: dict[str, Any] = {
        "lowercase": lowercase,
        "normalization": normalization,
        "strip_accents": strip_accents,
    }
    if word2idx is None:
        vocabulary = build_vocabulary(given, level, min_count=min_count, size=size, **options)
    else:
        vocabulary = read_vocabulary(word2idx)
    following = y is None
    longest = min(LONGEST, max(len(split_tokens(text, level, **options)) for text in given))
    if length is not None:
        longest = length + 1 if following else length
    card = TextInput(
        "input",
        vocabulary,
        max(1, longest),
        level,
        find_token(vocabulary, "padding"),
        find_token(vocabulary, "unknown"),
        column=column,
        **options,
    )
    rows = prepare_text(given, card)
    if following:
        return _next_tokens(rows, card, source)
    targets, names = make_targets(y, task, labels)
    targets = find_task(task).fit_steps(targets, _lengths(rows, card), card.length)
    return Dataset(task, card, RowStore(rows), targets, names, source)


def token_dataset(
    x: Any,
    y: Any,
    word2idx: Mapping[str, int] | Sequence[str] | np.ndarray | str,
    *,
    task: str = DEFAULT_TASK,
    labels: Sequence[str] | None = None,
    source: str = "tokens",
) -> Dataset:
    """Tokenised texts with their vocabulary -> a data set.

    Args:
        x: whole numbers (N, L), positions in the vocabulary.
        y: whole numbers (N, L), the target token at each position (the next one, say): the task is "dense" then, and
            the labels are the vocabulary, where the task is not "dense" with labels of its own. Else as `make_targets` takes
            it, for `task`.
        word2idx: {token: index}, that as JSON text, or the tokens in the order of their indices. A token named ``<pad>`` (or
            another usual name) is padding, and is ignored in `y`.
        task: the task of `y`, where it is not one token per position.
        labels: class names, where `y` is not one token per position.
        source: named in the card.

    Raises:
        InputError: `x` is not of that kind, a token is outside the vocabulary, or `y` does not fit.
    """
    vocabulary = read_vocabulary(word2idx)
    tokens = _tokens(x, len(vocabulary), "inputs")
    words = sum(len(token) > 1 for token in vocabulary)
    card = TextInput(
        "input",
        vocabulary,
        tokens.shape[1],
        "word" if 2 * words > len(vocabulary) else "character",
        find_token(vocabulary, "padding"),
        find_token(vocabulary, "unknown"),
        normalization="none",  # whoever made the vocabulary decided on its form
    )
    if np.shape(y) != tokens.shape or (find_task(task).per_position and labels is not None):
        if not hasattr(y, "__len__") or len(y) != len(tokens):
            raise InputError(
                f"The tokens have the shape {tokens.shape} and the labels {np.shape(y)}; labels of the same shape, or one for "
                f"each of the {len(tokens)} rows, are expected."
            )
        targets, names = make_targets(y, task, labels)
        if np.shape(y) == tokens.shape:
            targets = find_task(task).fit_steps(targets, _lengths(tokens, card), card.length)
        return Dataset(task, card, RowStore(tokens), targets, names, source)
    following = _tokens(y, len(vocabulary), "labels")
    if card.padding is not None:
        following = np.where(following == card.padding, IGNORED, following)
    return Dataset(DenseTask.name, card, RowStore(tokens), following, vocabulary, source)


def load_text_folder(folder: str | os.PathLike[str], **options: Any) -> Dataset:
    """A folder of ``.txt`` files, one class per file (its name), one text per line -> a data set.

    Args:
        folder: the folder.
        options: as for `load_texts`.

    Raises:
        InputError: there is no such file, or one is empty or not UTF-8.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(
            f"{place} does not exist or is not a folder. Check the path; it is looked up from {Path.cwd()}."
        )
    files = text_files(place)
    if not files:
        raise InputError(f"{place} holds no .txt files; one a class, with one text a line, is expected.")
    warn_unread(place, files, what="text")
    lines = [read_lines(path) for path in files]
    labels, names = class_names(options.pop("labels", None)), tuple(path.stem for path in files)
    indices = np.repeat(np.arange(len(files)), [len(part) for part in lines])
    if labels is not None:
        indices, names = named_classes(indices, names, labels, str(place), "files")
    texts = [text for part in lines for text in part]
    if not find_task(options.get("task", DEFAULT_TASK)).one_class:
        return load_texts(texts, indices, labels=names, source=str(place), **options)
    return replace(load_texts(texts, indices, source=str(place), **options), targets=indices, labels=names)


def load_text_table(
    path: str | os.PathLike[str], *, text: str = "text", label: str | Sequence[str] | None = None, **options: Any
) -> Dataset:
    """A CSV or TSV table with a column of texts and one of labels -> a data set.

    Args:
        path: the file; see `runtime.preprocess.read_table`.
        text: the column with the texts; the card keeps its name.
        label: the column with the labels, or several with values or with 0 and 1; None takes the one other column.
        options: as for `load_texts`.

    Raises:
        InputError: the file cannot be read, lacks a column, or a cell is empty.
    """
    from toolkit.data.readers.tables import target_columns, text_targets

    header, rows = read_table(path)
    if text not in header:
        raise InputError(f"{path} has no column {text!r}.{suggest(text, header)}")
    if not rows:
        raise InputError(f"{path} has a header only; at least one row is expected.")
    if label is None and len(header) != 2:
        others = ", ".join(name for name in header if name != text) or "none"
        raise InputError(f"{path} has besides {text!r} the columns {others}; say which holds the label: label='...'.")
    columns = target_columns(header, label or next(name for name in header if name != text), str(path))
    if text in columns:
        raise InputError(f"{path}: the column {text!r} was named for the texts and for the labels alike.")
    texts = [row[header.index(text)] for row in rows]
    empty = next((number for number, cell in enumerate(texts, start=1) if not cell), None)
    if empty is not None:
        raise InputError(f"{path}, row {empty}, column {text!r}: the text is empty. Mend or remove the row.")
    task, labels = options.get("task", DEFAULT_TASK), options.pop("labels", None)
    y, names = text_targets(header, rows, columns, task, labels, str(path))
    return load_texts(texts, y, labels=names, column=text, source=str(path), **options)


_FORMS = ("NFC", "NFKC", "none")


def _check_options(lowercase: Any, strip_accents: Any, normalization: Any, min_count: Any, size: Any) -> None:
    """Check the text normalisation options and the limits of a vocabulary. Raises InputError."""
    for name, value in (("lowercase", lowercase), ("strip_accents", strip_accents)):
        if not isinstance(value, bool):
            raise InputError(f"{name}={value!r} was given; True or False is expected.")
    if normalization not in _FORMS:
        raise InputError(f"normalization={normalization!r} was given.{suggest(str(normalization), _FORMS)}")
    for name, value, least in (("min_count", min_count, 1), ("size", size, 3)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
            raise InputError(f"{name}={value!r} was given; a whole number of at least {least} is expected.")


def _checked(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str | Mapping | Set) or not hasattr(texts, "__len__"):
        raise InputError(f"A {type(texts).__name__} was given; a list of texts is expected.")
    given = ordered(texts, "texts", "a list of texts", InputError)
    if not given:
        raise InputError("No text was given; at least one is expected.")
    for number, text in enumerate(given, start=1):
        if not isinstance(text, str):
            raise InputError(f"Input {number} is of the type {type(text).__name__}; a text is expected.")
    return given


def _tokens(values: Any, vocabulary: int, what: str) -> np.ndarray:
    """Whole numbers (N, L) -> int64, each a position in the vocabulary."""
    try:
        tokens = np.asarray(values)
    except ValueError as error:
        raise InputError(
            f"The {what} are ragged: their rows differ in length. Give rows of one length, filled up with a token."
        ) from error
    whole = tokens.dtype.kind in "iu" or (tokens.dtype.kind == "f" and np.equal(np.mod(tokens, 1), 0).all())
    if tokens.ndim != 2 or not tokens.size or not whole:
        raise InputError(
            f"The {what} are {tokens.dtype} of shape {tokens.shape}; whole numbers (N, L), positions in the vocabulary, are "
            f"expected."
        )
    wrong = (tokens < 0) | (tokens >= vocabulary)
    if wrong.any():
        where = tuple(map(int, np.argwhere(wrong)[0]))
        raise InputError(
            f"The {what} hold {tokens[where]:g} at position {where}; the vocabulary has the positions 0 to {vocabulary - 1}."
        )
    return tokens.astype(np.int64)


def _lengths(rows: np.ndarray, card: TextInput) -> list[int]:
    """Tokens of each row before the padding at its end."""
    steps = preprocessor_of(card).real_steps(rows, card)
    found: list[int] = [card.length] * len(rows) if steps is None else steps.tolist()
    return found


def _next_tokens(rows: np.ndarray, card: TextInput, source: str) -> Dataset:
    """Rows (N, length) -> (all but the last token, the next token at each)."""
    targets = rows[:, 1:].copy()
    if card.padding is not None:
        targets[targets == card.padding] = IGNORED
    if not (targets != IGNORED).any():
        raise InputError("The texts have one token each; at least two are expected where the next one is to be told.")
    shorter = replace(card, length=card.length - 1)
    return Dataset(
        DenseTask.name, shorter, RowStore(np.ascontiguousarray(rows[:, :-1])), targets, card.vocabulary, source
    )
