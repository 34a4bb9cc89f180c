"""Text pre-processing: texts -> tokens -> positions in a vocabulary."""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from runtime.card.text_input import TextInput
from runtime.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["prepare_text", "read_lines", "split_tokens"]

# A word, or one mark of punctuation.
_WORDS = re.compile(r"\w+|[^\w\s]")


def prepare_text(texts: Sequence[str], card: TextInput) -> npt.NDArray[np.int64]:
    """Prepare texts (N,) -> int64 (N, card.length), positions in the card's vocabulary.

    A text of more tokens is cut at its end; a shorter one is filled up there with the card's padding.

    Raises:
        InputError: an entry is no text, has no token, has a token that the vocabulary lacks while the card names no token
            for unknown ones, or is too short while the card names no padding.
    """
    positions = _positions(card)
    rows = np.full((len(texts), card.length), 0 if card.padding is None else card.padding, np.int64)
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"Input {number + 1} is of the type {type(text).__name__}; a text is expected.")
        tokens = split_tokens(
            text,
            card.level,
            lowercase=card.lowercase,
            normalization=card.normalization,
            strip_accents=card.strip_accents,
        )[: card.length]
        if not tokens:
            raise InputError(f"The text {_short(text)} is empty; at least one {card.level} is expected. Remove it.")
        if len(tokens) < card.length and card.padding is None:
            raise InputError(
                f"The text {_short(text)} has {len(tokens)} {card.level}s; the model takes {card.length}, and its card names no "
                f"padding for shorter ones. Give a text of {card.length} {card.level}s."
            )
        if card.unknown is not None:
            rows[number, : len(tokens)] = [positions.get(token, card.unknown) for token in tokens]
            continue
        found = [positions.get(token) for token in tokens]
        if None in found:
            raise InputError(
                f"The text {_short(text)} has the {card.level} {tokens[found.index(None)]!r}, which is not among the "
                f"{len(positions)} of the model's vocabulary, and its card names none for unknown ones. Leave it out of the text."
            )
        rows[number, : len(tokens)] = cast(list[int], found)
    return rows


def split_tokens(
    text: str,
    level: Literal["character", "word"],
    *,
    lowercase: bool = False,
    normalization: Literal["NFC", "NFKC", "none"] = "NFC",
    strip_accents: bool = False,
) -> list[str]:
    """Tokenise a text, brought to one Unicode form: characters, or words and single punctuation marks."""
    if normalization != "none":
        text = unicodedata.normalize(normalization, text)
    if lowercase:
        text = text.lower()
    if strip_accents:
        decomposed = unicodedata.normalize("NFD", text)
        text = unicodedata.normalize("NFC", "".join(mark for mark in decomposed if unicodedata.category(mark) != "Mn"))
    return list(text) if level == "character" else _WORDS.findall(text)


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """Read the lines of a text file in UTF-8, without blank ones and without white space around them.

    Raises:
        InputError: the file is missing, is not UTF-8, or has no line.
    """
    source = Path(path)
    if not os.path.isfile(source):
        raise InputError(
            f"{source} does not exist or is not a file. Check the path; it is looked up from {Path.cwd()}."
        )
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source} cannot be read as text: {error}. Save it in UTF-8.") from error
    lines = [line.strip() for line in text.split("\n")]
    found = [line for line in lines if line]
    if not found:
        raise InputError(f"{source} is empty; one text a line is expected.")
    return found


@functools.lru_cache(maxsize=16)
def _positions(card: TextInput) -> dict[str, int]:
    """Vocabulary look-up token -> position, without the padding and unknown tokens, which no text may name."""
    special = {card.padding, card.unknown}
    return {token: index for index, token in enumerate(card.vocabulary) if index not in special}


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
