"""Check a layer's arguments against its typed signature, which is its documentation and its validator."""

from __future__ import annotations

import inspect
import math
import numbers
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from runtime.errors import SpecError, suggest

__all__ = ["Axis", "Count", "Interval", "Positive", "Probability", "check_arguments"]


@dataclass(frozen=True)
class Interval:
    """The limits of a number, both included, for ``Annotated[float, Interval(0, 1)]``. None stands for no limit.

    A whole number without it must be at least 1, or at least its parameter's default where that is lower.
    """

    low: float | None = None
    high: float | None = None
    above: float | None = None

    def fits(self, value: float) -> bool:
        """True if the value lies within the limits."""
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        )

    def __str__(self) -> str:
        if self.above is not None:
            return f"above {self.above:g}"
        if self.low is not None and self.high is not None:
            return f"from {self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"of at least {self.low:g}"
        return "" if self.high is None else f"of at most {self.high:g}"


Probability: TypeAlias = Annotated[float, Interval(0, 1)]
Positive: TypeAlias = Annotated[float, Interval(above=0)]
Count: TypeAlias = Annotated[int, Interval(low=0)]
Axis: TypeAlias = Annotated[int, Interval()]
"""A whole number that may be negative, counted from the end."""


def check_arguments(
    function: Callable[..., Any], arguments: Mapping[str, Any], what: str, inferred: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return `arguments` with lists as tuples and plain numbers, once each fits the annotation of its parameter.

    Args:
        function: a layer function; the parameters that may be given by name are checked.
        arguments: what was given.
        what: named in the errors, such as ``"layer 3 'conv2d'"``.
        inferred: parameters that may be left out because they are filled in later.

    Raises:
        SpecError: an argument is unknown, missing, of the wrong type, or outside its limits.
    """
    if not isinstance(arguments, Mapping):
        raise SpecError(f"{what}: the arguments are {arguments!r}; a mapping from names to values is expected.")
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not inspect.Parameter.POSITIONAL_ONLY
    }
    hints = typing.get_type_hints(function, include_extras=True)
    for name in arguments:
        if name not in parameters:
            raise SpecError(f"{what}: there is no argument {name!r}.{_known(str(name), parameters)}")
    checked = {}
    for name, parameter in parameters.items():
        hint = hints.get(name, Any)
        if name not in arguments:
            if parameter.default is inspect.Parameter.empty and name not in inferred:
                raise SpecError(f"{what}: the argument {name} is missing; {_describe(hint)} is expected.")
            continue
        value = _plain(arguments[name])
        if not _fits(value, hint):
            raise SpecError(f"{what}: {name}={arguments[name]!r} was given; {_describe(hint)} is expected.")
        default = parameter.default
        lowest = min(1, default) if isinstance(default, int) and not isinstance(default, bool) else 1
        if not _within(value, hint, lowest):
            raise SpecError(f"{what}: {name}={arguments[name]!r} was given; {_limits(hint, lowest)} expected.")
        checked[name] = value
    return checked


def _known(name: str, parameters: Mapping[str, inspect.Parameter]) -> str:
    return suggest(name, parameters) if parameters else " It takes none."


def _plain(value: Any) -> Any:
    """JSON-serialisable value: lists -> tuples, other libraries' numbers -> Python's."""
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def _fits(value: Any, hint: Any) -> bool:
    """Type check: True if the value has the annotated type; limits are ignored."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _fits(value, inner[0])
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in inner)
    if origin is typing.Literal:
        return any(value == option and type(value) is type(option) for option in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(inner) == 2 and inner[1] is Ellipsis:
            return all(_fits(item, inner[0]) for item in value)
        return len(value) == len(inner) and all(map(_fits, value, inner))
    if hint is Any:
        return True
    if hint is None or hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


def _within(value: Any, hint: Any, lowest: int, limits: Interval | None = None) -> bool:
    """Range check: True if every number in a value that fits `hint` is within its limits."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _within(
            value, inner[0], lowest, next((note for note in inner[1:] if isinstance(note, Interval)), limits)
        )
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) and _within(value, option, lowest, limits) for option in inner)
    if origin is tuple:
        each = [inner[0]] * len(value) if len(inner) == 2 and inner[1] is Ellipsis else inner
        return all(_within(item, part, lowest, limits) for item, part in zip(value, each, strict=True))
    if hint is int:
        return (limits or Interval(low=lowest)).fits(value)
    return limits.fits(value) if hint is float and limits is not None else True


def _limits(hint: Any, lowest: int) -> str:
    """Limits in words: 'whole numbers of at least 1 are', 'a number from 0 to 1 is'."""
    found = _find_limits(hint)
    if found is not None and found[0] is float:
        return f"a number {found[1]} is"
    return f"whole numbers {found[1] if found is not None else Interval(low=lowest)} are"


def _find_limits(hint: Any) -> tuple[type, Interval] | None:
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is Annotated:
        return next(((inner[0], note) for note in inner[1:] if isinstance(note, Interval)), None)
    return next((found for part in inner if (found := _find_limits(part)) is not None), None)


def _describe(hint: Any) -> str:
    """The annotation in words: ``int | tuple[int, int]`` -> ``a whole number or (int, int)``."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        limits = next((str(note) for note in inner[1:] if isinstance(note, Interval)), "")
        return f"{_describe(inner[0])} {limits}".rstrip()
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_describe(option) for option in inner))
    if origin is typing.Literal:
        return " or ".join(map(repr, inner))
    if origin is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return f"a list of {_PLURALS.get(_kind(inner[0]), _short(inner[0]))}"
        return "(" + ", ".join(map(_short, inner)) + ")"
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a text", type(None): "None"}
    return words.get(hint, str(hint))


_PLURALS = {int: "whole numbers", float: "numbers", bool: "True or False", str: "texts"}


def _kind(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def _short(hint: Any) -> str:
    """Type name inside brackets: 'int', 'int or None', '(int, int)'."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _short(inner[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_short, inner))
    if origin is tuple:
        return _describe(hint)
    return "None" if hint is type(None) else getattr(hint, "__name__", str(hint))
