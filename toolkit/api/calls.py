"""Argument checks of public calls: unknown, missing or wrongly typed arguments raise SpecError."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from runtime.errors import SpecError, suggest

__all__ = ["check_call", "checked_calls"]

Kind = TypeVar("Kind", bound=type)


def checked_calls(kind: Kind) -> Kind:
    """Class decorator: the constructor and the public methods, inherited ones too, check their arguments."""
    for name in dir(kind):
        method = inspect.getattr_static(kind, name)
        if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_")):
            setattr(kind, name, _checked(method, kind.__name__ if name == "__init__" else name))
    return kind


def check_call(function: Callable[..., Any], name: str, *arguments: Any, **named: Any) -> None:
    """Raise SpecError where `function` takes no such arguments.

    Args:
        function: what is to be called.
        name: its public name, for the message.
        arguments, named: what it is to be called with.
    """
    signature = inspect.signature(function)
    try:
        signature.bind(*arguments, **named)
    except TypeError as error:
        known = {key: value for key, value in signature.parameters.items() if key != "self"}
        unknown = next((key for key in named if key not in known), None)
        if unknown is not None:
            raise SpecError(f"{name}() has no argument {unknown!r}.{suggest(unknown, known)}") from None
        reason = str(error)
        if reason.startswith("missing"):
            first = reason.split("'")[1]
            raise SpecError(f"{name}() was called without {first}. Give it: {name}({first}=...).") from None
        raise SpecError(f"{name}() cannot be called so: {reason}. It takes {', '.join(known) or 'nothing'}.") from None


def _check_kinds(signature: inspect.Signature, name: str, given: Mapping[str, Any]) -> None:
    """Check the types of paths, texts and switches; numbers are checked where they are used."""
    for key, value in given.items():
        annotation = str(signature.parameters[key].annotation)
        if value is None and annotation.endswith("| None"):
            continue
        kind = annotation.removesuffix(" | None")
        if kind == "str | os.PathLike[str]" and not isinstance(value, str | os.PathLike):
            expected = "a path"
        elif annotation == "str | None" and not isinstance(value, str):
            expected = "a text or None"
        elif kind == "bool" and value not in (True, False):
            expected = "True or False"
        else:
            continue
        raise SpecError(f"{name}() was given {key}={value!r}; {expected} is expected.")


def _checked(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    signature = inspect.signature(method)

    @functools.wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        check_call(method, name, self, *arguments, **named)
        _check_kinds(signature, name, signature.bind(self, *arguments, **named).arguments)
        return method(self, *arguments, **named)

    return call
