"""Callbacks: functions or objects called at the events of the training loop.

A callback is either a function that is called at every event,

    def callback(event: str, training: Training) -> bool | None: ...

or an object with a method per event, such as `on_epoch_end(training)`. The events, in their order:
``train_begin``, ``epoch_begin``, ``batch_end``, ``epoch_end``, ``train_end``. An epoch is in memory then; its files are written
every few seconds (`toolkit.training.runs.saving`).
Returning True, or raising `StopTraining`, ends the training cleanly: at ``batch_end`` the epoch is ended with the
batches done so far, measured and recorded. Any other exception of a callback is propagated.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError

if TYPE_CHECKING:
    from toolkit.training.loop.state import Training

__all__ = ["EVENTS", "Callbacks", "StopTraining"]

EVENTS = ("train_begin", "epoch_begin", "batch_end", "epoch_end", "train_end")


class StopTraining(Exception):
    """Raised by a callback to end the training cleanly."""


class Callbacks:
    """Calls all callbacks at an event, in the order they were given.

    Raises:
        SpecError: one of them is neither a function nor an object with a method for an event.
    """

    def __init__(self, callbacks: Iterable[Any]) -> None:
        if isinstance(callbacks, str) or not isinstance(callbacks, Iterable):
            raise SpecError(f"callbacks={callbacks!r} was given; a list of functions is expected, such as [function].")
        given = list(callbacks)
        for callback in given:
            _check_arguments(callback)
        found = {event: [_call_for(callback, event) for callback in given] for event in EVENTS}
        for callback, *calls in zip(given, *found.values(), strict=True):
            if not any(calls):
                known = ", ".join(f"on_{event}" for event in EVENTS)
                raise SpecError(
                    f"The callback {callback!r} can be called at no event. Give a function of (event, training), or an object "
                    f"with one of the methods {known}."
                )
        self._calls = {event: [call for call in calls if call] for event, calls in found.items()}

    def __call__(self, event: str, training: Training) -> bool:
        """Call all callbacks at `event`; True if any of them stops the training."""
        stop = False
        for call in self._calls[event]:
            try:
                stop |= call(training) is True
            except StopTraining:
                stop = True
        return stop

    def waits_for(self, event: str) -> bool:
        """True if any callback handles `event`."""
        return bool(self._calls[event])


def _check_arguments(callback: Any) -> None:
    """Raise SpecError for a function that cannot be called with (event, training)."""
    if not callable(callback) or _has_methods(callback):
        return
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):  # a function written in C has no signature
        return
    try:
        signature.bind("epoch_end", None)
    except TypeError as error:
        name = getattr(callback, "__name__", repr(callback))
        raise SpecError(
            f"The callback {name}{signature} is called with (event, training), which it does not take. Write def {name}(event, "
            f"training), or an object with a method on_epoch_end(self, training)."
        ) from error


def _has_methods(callback: Any) -> bool:
    return any(callable(getattr(callback, f"on_{name}", None)) for name in EVENTS)


def _call_for(callback: Any, event: str) -> Callable[[Training], Any] | None:
    """The callback's function of `training` for an event, or None where it does not handle the event."""
    if _has_methods(callback):
        method: Callable[[Training], Any] | None = getattr(callback, f"on_{event}", None)
        return method
    return (lambda training: callback(event, training)) if callable(callback) else None
