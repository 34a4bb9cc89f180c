"""Check a layer's arguments against its typed signature, which is its documentation and its validator."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from runtime.errors import SpecError, suggest

__all__ = ["check_arguments"]


def check_arguments(
    function: Callable[..., Any], arguments: Mapping[str, Any], what: str, inferred: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return `arguments` with lists as tuples, once each fits the annotation of its parameter.

    Args:
        function: a layer function; all its parameters are keywords.
        arguments: what was given.
        what: named in the errors, such as ``"layer 3 'conv2d'"``.
        inferred: parameters that may be left out because they are filled in later.

    Raises:
        SpecError: an argument is unknown, missing, or of the wrong type.
    """
    if not isinstance(arguments, Mapping):
        raise SpecError(f"{what}: the arguments are {arguments!r}; a mapping from names to values is expected.")
    parameters = inspect.signature(function).parameters
    hints = typing.get_type_hints(function)
    for name in arguments:
        if name not in parameters:
            raise SpecError(f"{what}: there is no argument {name!r}.{suggest(str(name), parameters)}")
    checked = {}
    for name, parameter in parameters.items():
        if name not in arguments:
            if parameter.default is inspect.Parameter.empty and name not in inferred:
                raise SpecError(f"{what}: the argument {name} is missing; {_describe(hints[name])} is expected.")
            continue
        value = _tuples(arguments[name])
        if not _fits(value, hints[name]):
            raise SpecError(f"{what}: {name}={arguments[name]!r} was given; {_describe(hints[name])} is expected.")
        lowest = 0 if name == "padding" else 1
        if hints[name] is not float and any(number < lowest for number in _numbers(value)):
            raise SpecError(
                f"{what}: {name}={arguments[name]!r} was given; whole numbers of at least {lowest} are expected."
            )
        checked[name] = value
    return checked


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def _numbers(value: Any) -> list[int]:
    """The whole numbers in a value."""
    if isinstance(value, tuple):
        return [number for item in value for number in _numbers(item)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in inner)
    if origin is typing.Literal:
        return value in inner
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(inner) == 2 and inner[1] is Ellipsis:
            return all(_fits(item, inner[0]) for item in value)
        return len(value) == len(inner) and all(map(_fits, value, inner))
    if hint is None or hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _describe(hint: Any) -> str:
    """The annotation in words: ``int | tuple[int, int]`` -> ``a whole number or (int, int)``."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_describe(option) for option in inner)
    if origin is typing.Literal:
        return " or ".join(map(repr, inner))
    if origin is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return f"any number of {inner[0].__name__}"
        return "(" + ", ".join(item.__name__ for item in inner) + ")"
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a text", type(None): "None"}
    return words.get(hint, str(hint))
