"""Registry of the tasks' decoders, by the name that stands on a card."""

from __future__ import annotations

from runtime.card import add_names
from runtime.errors import SpecError, suggest
from runtime.results.decoder import Decoder

__all__ = ["find_decoder", "register_decoder", "task_names"]

_DECODERS: dict[str, Decoder] = {}


def register_decoder(decoder: Decoder) -> None:
    """Make a task known: cards may name it, and its outputs may have its roles.

    Raises:
        SpecError: a decoder of that name is registered already.
    """
    if decoder.name in _DECODERS:
        raise SpecError(f"A decoder for the task {decoder.name!r} is registered already. Choose another name.")
    _DECODERS[decoder.name] = decoder
    add_names(decoder.name, decoder.roles)


def find_decoder(task: str) -> Decoder:
    """The decoder of a task. Raises SpecError for a name that is not registered."""
    found = _DECODERS.get(task)
    if found is None:
        raise SpecError(f"The task {task!r} was given.{suggest(str(task), _DECODERS)}")
    return found


def task_names() -> tuple[str, ...]:
    """Names of the tasks, in the order in which they were registered."""
    return tuple(_DECODERS)
