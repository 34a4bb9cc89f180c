"""Registry of the kinds of input: kind -> module with its `PREPROCESSOR`, imported when a card of the kind is first met."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any

from runtime.card.input_card import InputCard
from runtime.preprocess.kinds.preprocessor import Preprocessor

__all__ = ["preprocessor_of", "register_preprocessor"]

_MODULES: dict[str, str] = {}


def register_preprocessor(kind: str, module: str) -> None:
    """Name the module of a kind. Raises ValueError for a kind that is there already."""
    if kind in _MODULES:
        raise ValueError(f"The kind {kind!r} has a preprocessor already: {_MODULES[kind]}.")
    _MODULES[kind] = module


def preprocessor_of(card: InputCard) -> Preprocessor[Any]:
    """The preprocessor of a card's kind."""
    return _loaded(card.kind)


@functools.cache
def _loaded(kind: str) -> Preprocessor[Any]:
    found: Preprocessor[Any] = import_module(_MODULES[kind]).PREPROCESSOR
    return found


for _kind in ("image", "table", "text", "sequence", "array"):
    register_preprocessor(_kind, f"runtime.preprocess.kinds.{_kind}")
