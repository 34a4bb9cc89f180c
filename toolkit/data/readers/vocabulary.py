"""Vocabularies: built from texts, or given as word -> index."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from runtime.errors import InputError
from runtime.preprocess import split_tokens

__all__ = ["PADDING", "UNKNOWN", "build_vocabulary", "find_token", "read_vocabulary"]

PADDING = "<pad>"
UNKNOWN = "<unknown>"

# Other usual names of the padding and unknown tokens.
_PADDING_NAMES = (PADDING, "<PAD>", "[PAD]", "<blank>", "")
_UNKNOWN_NAMES = (UNKNOWN, "<unk>", "<UNK>", "[UNK]", "<UNKNOWN>")


def build_vocabulary(
    texts: Iterable[str],
    level: Literal["character", "word"] = "character",
    *,
    min_count: int = 1,
    size: int | None = None,
    lowercase: bool = False,
    normalization: Literal["NFC", "NFKC", "none"] = "NFC",
    strip_accents: bool = False,
) -> tuple[str, ...]:
    """Texts -> their tokens, most frequent first, equally frequent ones in the order of their code points.

    The padding token comes first, the token for unknown ones second.

    Args:
        texts: texts to count.
        level: "character" or "word".
        min_count: rarer tokens are left out, and become unknown.
        size: maximum number of tokens, including the two special ones; None for all.
        lowercase, normalization, strip_accents: as `TextInput` has them.

    Raises:
        InputError: there is no text, or a number is out of range.
    """
    if min_count < 1 or (size is not None and size < 3):
        raise InputError(f"min_count={min_count}, size={size} were given; at least 1, and at least 3, are expected.")
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(
            split_tokens(text, level, lowercase=lowercase, normalization=normalization, strip_accents=strip_accents)
        )
    tokens = sorted((token for token, count in counts.items() if count >= min_count), key=lambda t: (-counts[t], t))
    if not tokens:
        raise InputError(f"The texts have no {level} that occurs {min_count} times; there is nothing to learn from.")
    return (PADDING, UNKNOWN, *tokens)[:size]


def read_vocabulary(word2idx: Mapping[str, int] | Sequence[str] | np.ndarray | str) -> tuple[str, ...]:
    """A vocabulary in any of its forms -> the tokens in the order of their indices.

    Args:
        word2idx: {token: index}, that as JSON text, or the tokens in order.

    Raises:
        InputError: the indices are not 0, 1, 2, ... each once, a token comes twice, or it is none of these forms.
    """
    given: Any = word2idx
    if isinstance(given, np.ndarray):
        if given.dtype.kind != "U":
            raise _no_vocabulary(f"an array of {given.dtype}")
        given = given.item() if given.ndim == 0 else given.tolist()
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise _no_vocabulary(f"the text {given[:40]!r}, which is not JSON") from error
    if isinstance(given, Mapping):
        if not given:
            raise _no_vocabulary("empty")
        try:
            given = {str(token): int(index) for token, index in given.items()}
        except (TypeError, ValueError, OverflowError) as error:
            raise _no_vocabulary("a mapping whose values are not whole numbers") from error
        if sorted(given.values()) != list(range(len(given))):
            wrong = sorted(set(range(len(given))) - set(given.values()))
            raise InputError(
                f"word2idx has {len(given)} tokens; the indices 0 to {len(given) - 1}, each once, are expected"
                + (f", and {wrong[0]} is missing." if wrong else ".")
            )
        return tuple(sorted(given, key=lambda token: int(given[token])))
    if not isinstance(given, list | tuple) or not all(isinstance(token, str) for token in given):
        raise _no_vocabulary(f"a {type(given).__name__}")
    if not given or len(set(given)) != len(given):
        raise InputError(
            f"The vocabulary has {len(given)} tokens, {len(set(given))} of them different; each once is expected."
        )
    return tuple(given)


def find_token(vocabulary: Sequence[str], what: Literal["padding", "unknown"]) -> int | None:
    """The position of the token that is commonly named for this, or None."""
    names = _PADDING_NAMES if what == "padding" else _UNKNOWN_NAMES
    return next((vocabulary.index(name) for name in names if name in vocabulary), None)


def _no_vocabulary(what: str) -> InputError:
    return InputError(
        f"word2idx is {what}; a dictionary from token to index, that as JSON text (json.dumps(word2idx)), or the tokens in the "
        f"order of their indices are expected."
    )
