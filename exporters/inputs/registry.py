"""Registry of the kinds of input: kind -> module with its `KIND`, imported when a card of the kind is first met."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any

from exporters.inputs.kind import InputKind
from runtime.card import InputCard

__all__ = ["kind_of", "register_kind"]

_MODULES: dict[str, str] = {}


def register_kind(kind: str, module: str) -> None:
    """Name the module of a kind. Raises ValueError for a kind that is there already."""
    if kind in _MODULES:
        raise ValueError(f"The kind {kind!r} has a module already: {_MODULES[kind]}.")
    _MODULES[kind] = module


def kind_of(card: InputCard) -> InputKind[Any]:
    """The kind of a card's input."""
    return _loaded(card.kind)


@functools.cache
def _loaded(kind: str) -> InputKind[Any]:
    found: InputKind[Any] = import_module(_MODULES[kind]).KIND
    return found


for _kind in ("image", "table", "text", "sequence", "array"):
    register_kind(_kind, f"exporters.inputs.{_kind}")
