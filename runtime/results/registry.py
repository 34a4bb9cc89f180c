"""Registry of the tasks' decoders, by the name that stands on a card. A built-in one is imported when it is first asked for."""

from __future__ import annotations

import importlib

from runtime.card.names import add_names
from runtime.errors import SpecError, suggest
from runtime.results.decoder import Decoder

__all__ = ["find_decoder", "register_decoder", "task_names"]

# Each is `DECODER` in the module of its name.
_BUILT_IN = ("classification", "multilabel", "regression", "dense", "embedding", "raw")
_REGISTERED: dict[str, Decoder] = {}


def register_decoder(decoder: Decoder) -> None:
    """Make a task known: cards may name it, and its outputs may have its roles.

    Raises:
        SpecError: a decoder of that name is registered already.
    """
    if decoder.name in task_names():
        raise SpecError(f"A decoder for the task {decoder.name!r} is registered already. Choose another name.")
    _REGISTERED[decoder.name] = decoder
    add_names(decoder.name, decoder.roles)


def find_decoder(task: str) -> Decoder:
    """The decoder of a task. Raises SpecError for a name that is not registered."""
    if task in _BUILT_IN:
        found: Decoder = importlib.import_module(f"runtime.results.{task}").DECODER
        return found
    if task not in _REGISTERED:
        raise SpecError(f"The task {task!r} was given.{suggest(str(task), task_names())}")
    return _REGISTERED[task]


def task_names() -> tuple[str, ...]:
    """Names of the tasks: the built-in ones, then the others in the order in which they were registered."""
    return (*_BUILT_IN, *_REGISTERED)
